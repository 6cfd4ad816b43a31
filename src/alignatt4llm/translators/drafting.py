"""One draft in the making: verify what was held, then decode until told to stop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.draft import Draft, Judge, Rows, TokenEvidence
from alignatt4llm.errors import PromptTooLong
from alignatt4llm.translators.vocabulary import Vocabulary

CANDIDATES = 64
"""Likeliest tokens among which the first that starts a new word is sought."""

Choice = tuple[int, float]
"""A token and its log-probability."""
Needed = Callable[[Rows], int]
"""Given the rows of N positions [N, H, S], for how many of them, from the first, it is needed what
follows."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What greedy decoding chooses after some positions.

    Attributes
    ----------
    tokens
        The token after each position that is needed, with its log-probability.
    rows
        Attention of each position over the source columns, shape [N, H, S].
    """

    tokens: Sequence[Choice]
    rows: Rows


class Chooser(Protocol):
    """A model as one draft sees it."""

    def choose(self, known: Sequence[int], guess: Sequence[int], needed: Needed) -> Choices:
        """Choose after ``known``, and after each token of the guess as far as that is easy."""
        ...

    def likeliest(self, known: Sequence[int], count: int) -> Sequence[Choice]:
        """Return the likeliest tokens after ``known``, of which was asked last, likeliest first."""
        ...


class Drafting:
    """Greedy decoding after a prompt.

    Parameters
    ----------
    chooser, vocabulary
        The model and its tokens.
    prompt
        Tokens of the prompt.
    shape
        Number of heads H and of source columns S.
    own
        Whether a token's row is read at its own position, which exists only once the token has
        been fed, and not at the position that predicts it.
    unglued
        Whether the first token must not grow letters onto the word before it.
    runs_away
        Says of the text so far whether more of it would only repeat it, which ends the draft.
    """

    def __init__(
        self,
        chooser: Chooser,
        vocabulary: Vocabulary,
        prompt: Sequence[int],
        shape: tuple[int, int],
        *,
        own: bool,
        unglued: bool,
        runs_away: Callable[[str], bool] | None = None,
    ) -> None:
        self._chooser, self._vocabulary = chooser, vocabulary
        self._prompt, self._shape = list(prompt), shape
        self._later = int(own)
        self._unglued = unglued
        self._runs_away = runs_away
        self._ids: list[int] = []
        self._logprobs: list[float] = []
        self._rows: list[Rows] = []  # each [H, S]; the first predicts the first token
        self._evidence: list[TokenEvidence] = []
        self._fresh = Choices((), np.zeros((0, *shape), np.float32))
        self._none = 0  # fresh rows that belong to no token: with ``own`` the very first
        self._judged: Sequence[TokenEvidence] = ()  # of the others
        self._guess: list[int] = []

    def run(
        self, guess: Sequence[int], budget: int, words: NDArray[np.int64], judge: Judge | None
    ) -> Draft:
        """Draft at most ``budget`` tokens; ``guess`` is what they will probably begin with.

        The guess is fed in one pass and kept as far as greedy decoding agrees with it; after a
        token that differs, the rest of the guess is tried again. Every row is judged once, in
        the pass that reads it.
        """
        self._guess, ended = list(guess[:budget]), False
        while not ended:
            self._choose(words, judge)
            ended = self._take(budget)
            if len(self._ids) >= budget or self._repeats() or self._is_held():
                break
        if ended:
            self._guess = []
            if self._count < len(self._ids):  # the token that ends it says something too
                self._complete(words, judge)
        return self._draft(ended, words)

    def _complete(self, words: NDArray[np.int64], judge: Judge | None) -> None:
        """Give the last token its own row; a full stop has that of the token before it."""
        if self._count and self._vocabulary.is_punctuation(self._ids[-1]):
            self._rows.append(self._rows[-1])
            self._evidence += self._evidence[-1:]
        else:
            self._choose(words, judge)
            self._read(0)

    def _choose(self, words: NDArray[np.int64], judge: Judge | None) -> None:
        """Read the rows of the new positions, and the greedy token after each that is needed."""
        known = [*self._prompt, *self._ids]
        self._none = none = max(0, self._later - len(self._rows))

        def needed(rows: Rows) -> int:
            if judge is None:
                return len(rows)
            self._judged = judge(rows[none:], words)
            held = next((n for n, token in enumerate(self._judged) if token.hold), len(rows))
            return min(len(rows), max(1, 1 + held + none - self._later))

        self._fresh = self._chooser.choose(known, self._guess, needed)

    def _chosen(self) -> list[Choice]:
        """Return the fresh choices, the first of them one that does not glue where it must not."""
        chosen = list(self._fresh.tokens)
        if self._unglued and not self._ids and self._vocabulary.glues(chosen[0][0]):
            likely = self._chooser.likeliest(self._prompt, CANDIDATES)
            unglued = (choice for choice in likely if not self._vocabulary.glues(choice[0]))
            chosen[0] = next(unglued, chosen[0])
        return chosen

    def _read(self, index: int) -> None:
        """Keep a fresh row and what it was judged by."""
        self._rows.append(self._fresh.rows[index])
        judged = index - self._none
        self._evidence += self._judged[max(0, judged) : judged + 1]

    def _take(self, budget: int) -> bool:
        """Append tokens while guess and choice agree, and the choice after them; say if it ends."""
        for index, (token, logprob) in enumerate(self._chosen()):
            self._read(index)
            ends = self._vocabulary.ends(token)
            if not ends or self._vocabulary.says_something(token):
                self._ids.append(token)
                self._logprobs.append(logprob)
            agreed = bool(self._guess) and self._guess.pop(0) == token
            if ends or not agreed or len(self._ids) >= budget or self._repeats():
                return ends
        return False

    def _repeats(self) -> bool:
        """Whether what can be read of the draft runs away."""
        if self._runs_away is None:
            return False
        return self._runs_away(self._vocabulary.read(self._prompt, self._ids[: self._count]))

    def _is_held(self) -> bool:
        """Whether a token is held, so that nothing after it would be said."""
        return any(token.hold for token in self._evidence[: self._count])

    @property
    def _count(self) -> int:
        """How many tokens have their row."""
        return min(len(self._ids), len(self._rows) - self._later)

    def _draft(self, ended: bool, words: NDArray[np.int64]) -> Draft:
        count = self._count
        text, ends = self._vocabulary.decode(self._prompt, self._ids[:count])
        empty = np.zeros((0, *self._shape), np.float32)
        return Draft(
            text=text,
            ids=tuple(self._ids[:count]),
            ends=tuple(ends),
            rows=np.stack(self._rows[self._later : self._later + count]) if count else empty,
            words=words,
            ended=ended and count == len(self._ids),
            logprobs=np.array(self._logprobs[:count], np.float32),
            evidence=tuple(self._evidence[:count]),
            guess=(*self._ids[count:], *self._guess),
        )


def check_length(prompt: int, budget: int, context: int) -> None:
    """Raise PromptTooLong if so many tokens do not fit a context."""
    if prompt + budget > context:
        raise PromptTooLong(
            f"The prompt has {prompt} tokens and the draft may take {budget}, but the model's "
            f"context is {context}; use a model with a longer one."
        )
