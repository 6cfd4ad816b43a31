"""What the model proposes after the accepted target, and where it looked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.events import Sources
from alignatt4llm.text.languages import Language
from alignatt4llm.text.repeats import kept

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TokenEvidence:
    """What the rows say about one draft token.

    Attributes
    ----------
    word
        Source word it looks at most (index into the visible words); -1 when there is none.
    accessible, inaccessible
        Shares of its source attention on words that may, or may not, be relied on.
    source_mass
        Share of its whole attention that lies on the source.
    hold
        Why it is held; empty when it is not.
    sources
        The source words it looks at most, strongest first, each with its share of the token's
        source attention.
    """

    word: int
    accessible: float
    inaccessible: float
    source_mass: float
    hold: str = ""
    sources: Sources = ()


Judge = Callable[[Rows, NDArray[np.int64]], Sequence[TokenEvidence]]
"""Given the rows of successive tokens [T, H, S] and the source word of each column [S]: where each
token looks, and why it must be held, if it must. It can be pickled, to judge elsewhere."""


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
    evidence
        What its tokens were judged by while it was drafted, length T; empty if nobody judged.
    guess
        Tokens that may follow; nobody has verified them.
    ran_away
        Whether what followed was cut off, because it only repeated what stands before.
    """

    text: str
    ids: tuple[int, ...]
    ends: tuple[int, ...]
    rows: Rows
    words: NDArray[np.int64]
    ended: bool
    logprobs: NDArray[np.float32]
    evidence: tuple[TokenEvidence, ...] = ()
    guess: tuple[int, ...] = ()
    ran_away: bool = False

    @property
    def over(self) -> bool:
        """Whether drafting on would bring nothing, so that the last unit is whole."""
        return self.ended or self.ran_away

    def within(self, said: str, words: Sequence[str], language: Language) -> "Draft":
        """Return it as far as it does not run away after what was said; see `repeats.kept`."""
        cut = kept(said, self.text, words, language, self.ended)
        if cut == len(self.text):
            return self
        count = next(n for n, end in enumerate((0, *self.ends)) if end >= cut)
        return Draft(
            text=self.text[:cut],
            ids=self.ids[:count],
            ends=tuple(min(end, cut) for end in self.ends[:count]),
            rows=self.rows[:count],
            words=self.words,
            ended=False,
            logprobs=self.logprobs[:count],
            evidence=self.evidence[:count],
            ran_away=True,
        )

    def beyond(self, cut: int) -> "Draft | None":
        """Return what is left after ``cut`` characters, to be judged anew.

        None if the cut is inside a token.
        """
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
            guess=self.guess,
            ran_away=self.ran_away,
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
