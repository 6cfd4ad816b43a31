"""One draft in the making: verify what was held, then decode until told to stop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.draft import Draft, Rows, Stop
from alignatt4llm.errors import PromptTooLong
from alignatt4llm.text.repeats import loop_length
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

    Attributes
    ----------
    guess
        Tokens that may follow, not verified.
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
    ) -> None:
        self._chooser, self._vocabulary = chooser, vocabulary
        self._prompt, self._shape = list(prompt), shape
        self._later = int(own)
        self._unglued = unglued
        self._ids: list[int] = []
        self._logprobs: list[float] = []
        self._rows: list[Rows] = []  # each [H, S]; the first predicts the first token
        self._judged = 0
        self.guess: list[int] = []

    def run(
        self, guess: Sequence[int], budget: int, words: NDArray[np.int64], stop: Stop | None
    ) -> Draft:
        """Draft at most ``budget`` tokens; ``guess`` is what they will probably begin with.

        The guess is fed in one pass and kept as far as greedy decoding agrees with it; after a
        token that differs, the rest of the guess is tried again.
        """
        self.guess, ended = list(guess[:budget]), False
        while not ended:
            ended = self._take(self._choices(words, stop), budget)
            if len(self._ids) >= budget or self._loops() or self._is_stopped(stop, words):
                break
        return self._draft(ended, words)

    def _choices(self, words: NDArray[np.int64], stop: Stop | None) -> list[Choice]:
        """Return the greedy token, and its log-probability, after each new position."""
        known = [*self._prompt, *self._ids]
        unread = max(0, self._later - len(self._rows))  # rows that belong to no token

        def needed(rows: Rows) -> int:
            if stop is None or not self.guess:
                return len(rows)
            held = stop(rows[unread:], words) + unread - self._later
            return min(len(rows), max(1, 1 + held))

        choices = self._chooser.choose(known, self.guess, needed)
        self._fresh = choices.rows
        chosen = list(choices.tokens)
        if self._unglued and not self._ids and self._vocabulary.glues(chosen[0][0]):
            likely = self._chooser.likeliest(known, CANDIDATES)
            unglued = (choice for choice in likely if not self._vocabulary.glues(choice[0]))
            chosen[0] = next(unglued, chosen[0])
        return chosen

    def _take(self, choices: list[Choice], budget: int) -> bool:
        """Append tokens while guess and choice agree, and the choice after them; say if it ends."""
        for index, (token, logprob) in enumerate(choices):
            self._rows.append(self._fresh[index])
            ends = self._vocabulary.ends(token)
            if not ends or self._vocabulary.says_something(token):
                self._ids.append(token)
                self._logprobs.append(logprob)
            agreed = bool(self.guess) and self.guess.pop(0) == token
            if ends or not agreed or len(self._ids) >= budget:
                return ends
        return False

    def _loops(self) -> bool:
        repeated = loop_length(self._ids)
        if repeated:
            del self._ids[-repeated:]
        return bool(repeated)

    def _is_stopped(self, stop: Stop | None, words: NDArray[np.int64]) -> bool:
        unjudged = range(self._judged, self._count)
        self._judged = unjudged.stop
        if stop is None or not unjudged:
            return False
        return stop(np.stack([self._row(n) for n in unjudged]), words) < len(unjudged)

    @property
    def _count(self) -> int:
        """How many tokens have their row."""
        return min(len(self._ids), len(self._rows) - self._later)

    def _row(self, token: int) -> Rows:
        return self._rows[token + self._later]

    def _draft(self, ended: bool, words: NDArray[np.int64]) -> Draft:
        count = self._count
        text, ends = self._vocabulary.decode(self._prompt, self._ids[:count])
        empty = np.zeros((0, *self._shape), np.float32)
        return Draft(
            text=text,
            ids=tuple(self._ids[:count]),
            ends=tuple(ends),
            rows=np.stack([self._row(n) for n in range(count)]) if count else empty,
            words=words,
            ended=ended and count == len(self._ids),
            logprobs=np.array(self._logprobs[:count], np.float32),
        )


class Held:
    """What a stream's last draft leaves to guess the next one by."""

    def __init__(self) -> None:
        self._before = ""
        self._draft: Draft | None = None
        self._guess: Sequence[int] = ()

    def keep(self, accepted: str, draft: Draft, guess: Sequence[int]) -> None:
        """Keep a draft made after ``accepted``, and what was guessed but not verified."""
        self._before, self._draft, self._guess = accepted, draft, guess

    def beyond(self, accepted: str) -> Sequence[int]:
        """Return the tokens that lie beyond the accepted text."""
        before, draft = self._before, self._draft
        said = len(accepted) - len(before)
        if draft is None or said < 0 or not (before + draft.text).startswith(accepted):
            return ()
        if said and said not in draft.ends:
            return ()
        beyond = draft.ids[draft.ends.index(said) + 1 :] if said else draft.ids
        return [*beyond, *self._guess]


def check_length(prompt: int, budget: int, context: int) -> None:
    """Raise PromptTooLong if so many tokens do not fit a context."""
    if prompt + budget > context:
        raise PromptTooLong(
            f"The prompt has {prompt} tokens and the draft may take {budget}, but the model's "
            f"context is {context}; use a model with a longer one."
        )


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Count the tokens that both begin with."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
