"""Greedy drafts for one stream, whatever chooses the tokens."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.draft import Draft, Forced, Judge, Rows
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.prompts.prompt import Prompt, source_columns
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.repeats import kept
from alignatt4llm.translators.drafting import Chooser, Drafting, check_length
from alignatt4llm.translators.vocabulary import Vocabulary


class GreedyDrafter(ABC):
    """From a prompt to its tokens and source columns, and from there to a draft.

    Parameters
    ----------
    vocabulary
        The model's tokens.
    context
        Longest prompt and draft together, in tokens.
    pair, heads
        Translation direction, and the heads whose rows the drafts carry.
    """

    def __init__(self, vocabulary: Vocabulary, context: int, pair: Pair, heads: HeadSet) -> None:
        self._vocabulary = vocabulary
        self._context = context
        self._heads = heads
        self._own = heads.row == "own"
        self._target = pair.target

    def draft(
        self,
        prompt: Prompt,
        budget: int,
        judge: Judge | None = None,
        guess: Sequence[int] = (),
    ) -> Draft:
        """Continue the prompt greedily; see `Drafter.draft`."""
        ids, offsets = self._vocabulary.encode(prompt.text)
        check_length(len(ids), budget, self._context)
        columns, words = source_columns(prompt, offsets)
        with self._choosing(columns, len(ids) + budget) as chooser:
            drafting = Drafting(
                chooser,
                self._vocabulary,
                ids,
                (len(self._heads.heads), len(columns)),
                own=self._own,
                unglued=not self._target.by_character and prompt.accepted[-1:].isalnum(),
                runs_away=partial(self._runs_away, prompt),
            )
            return drafting.run(guess, budget, words, judge)

    def _runs_away(self, prompt: Prompt, text: str) -> bool:
        """Whether a text after the prompt repeats itself without end."""
        return kept(prompt.accepted, text, prompt.words, self._target) < len(text)

    @abstractmethod
    def _choosing(
        self, columns: NDArray[np.int64], longest: int
    ) -> AbstractContextManager[Chooser]:
        """Give what chooses the tokens of one draft.

        Parameters
        ----------
        columns
            Positions of the source in the prompt, shape [S].
        longest
            Tokens of the prompt and the draft at most.
        """


class ForcingDrafter(GreedyDrafter):
    """A drafter that also says given translations."""

    def force(self, prompt: Prompt) -> Forced:
        """Read the rows of a given translation, the prompt's accepted text, in one pass."""
        ids, offsets = self._vocabulary.encode(prompt.text)
        begin = len(prompt.text) - len(prompt.accepted)
        first = next(i for i, (_, end) in enumerate(offsets) if end > begin)
        columns, words = source_columns(prompt, offsets)
        spans = tuple((max(0, start - begin), end - begin) for start, end in offsets[first:])
        return Forced(spans, self._read(ids, len(ids) - first + 1), columns, words)

    @abstractmethod
    def _read(self, ids: Sequence[int], wanted: int) -> Rows:
        """Return the rows of the last ``wanted`` tokens over the whole context, [N, H, L]."""
