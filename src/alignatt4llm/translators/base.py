"""The seam between a session and the LLM engines that draft its target."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.languages import Pair
from alignatt4llm.prompts import Prompt, PromptForm

Rows = NDArray[np.float32]

Stop = Callable[[Rows, NDArray[np.int64]], int]
"""Given the rows of successive tokens [T, H, S] and the source word of each column [S], how many
tokens come before the first that is held."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the model proposes after the accepted target, and where it looked.

    Attributes
    ----------
    text
        The continuation, white space included; never ends inside a character.
    ids
        Its tokens, length T.
    ends
        Characters of ``text`` that are complete after each token, length T, non-decreasing.
    rows
        Attention of each token over the source columns, shape [T, H, S].
    words
        Source word of each column, shape [S].
    ended
        Whether the model ended the translation by itself after these tokens.
    logprobs
        Log-probability of each token, shape [T].
    """

    text: str
    ids: tuple[int, ...]
    ends: tuple[int, ...]
    rows: Rows
    words: NDArray[np.int64]
    ended: bool
    logprobs: NDArray[np.float32]

    def beyond(self, cut: int) -> "Draft | None":
        """Return what is left after ``cut`` characters; None if the cut is inside a token."""
        if cut and cut not in self.ends:
            return None
        first = len(self.ends) - self.ends[::-1].index(cut) if cut else 0
        return Draft(
            text=self.text[cut:],
            ids=self.ids[first:],
            ends=tuple(end - cut for end in self.ends[first:]),
            rows=self.rows[first:],
            words=self.words,
            ended=self.ended,
            logprobs=self.logprobs[first:],
        )


@dataclass(frozen=True, slots=True)
class Forced:
    """Where a model looks when it is made to say a given translation.

    Attributes
    ----------
    spans
        Characters of the translation that each of its T tokens covers, length T.
    rows
        Attention over the whole context, shape [T + 1, H, L]: ``rows[t]`` is read at the
        position that predicts token t, ``rows[t + 1]`` at its own.
    columns
        Positions of the source tokens in the context, shape [S].
    words
        Source word of each source token, shape [S].
    """

    spans: tuple[tuple[int, int], ...]
    rows: Rows
    columns: NDArray[np.int64]
    words: NDArray[np.int64]


class Drafter(Protocol):
    """Drafts for one stream; it may keep what it computed between drafts."""

    def draft(self, prompt: Prompt, budget: int, stop: Stop | None = None) -> Draft:
        """Continue the prompt greedily by at most ``budget`` tokens.

        Decoding stops early after the first token that ``stop`` says is held.

        Raises
        ------
        PromptTooLong
            If prompt and budget do not fit the model's context.
        """
        ...

    def close(self) -> None:
        """Free what is kept for this stream; nothing is drafted after it."""
        ...


class Translator(Protocol):
    """An LLM in memory, shared by any number of streams, which may run in threads of their own."""

    def prompt_form(self, pair: Pair, form: str = "auto") -> PromptForm:
        """Return the prompt that suits the model: ``auto``, ``chat`` or ``few-shot``."""
        ...

    def open(self, pair: Pair, heads: HeadSet, beginning: str = "") -> Drafter:
        """Start drafting for one stream.

        Parameters
        ----------
        pair, heads
            Translation direction, and the heads whose rows its drafts carry.
        beginning
            What prompts of all such streams begin with; it may be read already now, and kept.

        Raises
        ------
        AlignattError
            If the head set does not fit the model.
        """
        ...


def loop_length(sequence: Sequence[Hashable], run: int = 10, longest: int = 24) -> int:
    """Return how many items at the end only repeat what stands before them.

    The end repeats a block of up to ``longest`` items as soon as ``run`` items say the same as
    those one block earlier; for blocks shorter than half of that, when it is there three times
    (four times for a single item).
    """
    for size in range(1, longest + 1):
        needed = 3 if size == 1 else min(2 * size, run)
        pairs = zip(reversed(sequence), reversed(sequence[:-size]), strict=False)
        repeated = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if repeated >= needed:
            return repeated
    return 0
