"""One draft in the making: verify what was held, then decode until told to stop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from alignatt4llm.errors import PromptTooLong
from alignatt4llm.translators.base import Draft, Rows, Stop, loop_length
from alignatt4llm.translators.vocabulary import Vocabulary

CANDIDATES = 64
"""Likeliest tokens among which the first that starts a new word is sought."""

Choice = tuple[int, float]
"""A token and its log-probability."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What greedy decoding chooses after N positions.

    Attributes
    ----------
    tokens
        The token after each, length N, with its log-probability.
    rows
        Attention of each over the source columns, shape [N, H, S].
    """

    tokens: Sequence[Choice]
    rows: Rows


class Chooser(Protocol):
    """A model as one draft sees it."""

    def choose(self, known: Sequence[int], guess: Sequence[int]) -> Choices:
        """Choose after ``known``, and after each token of the guess as far as that is easy."""
        ...

    def likeliest(self, known: Sequence[int], count: int) -> Sequence[Choice]:
        """Return the likeliest tokens after ``known``, likeliest first."""
        ...


class Drafting:
    """Greedy decoding after a prompt.

    Parameters
    ----------
    chooser, vocabulary
        The model and its tokens.
    prompt
        Tokens of the prompt.
    empty
        The rows of a draft without tokens, shape [0, H, S].
    own
        Whether a token's row is read at its own position, which exists only once the token has
        been fed, and not at the position that predicts it.
    unglued
        Whether the first token must not grow letters onto the word before it.
    """

    def __init__(
        self,
        chooser: Chooser,
        vocabulary: Vocabulary,
        prompt: Sequence[int],
        empty: Rows,
        *,
        own: bool,
        unglued: bool,
    ) -> None:
        self._chooser, self._vocabulary = chooser, vocabulary
        self._prompt, self._empty = list(prompt), empty
        self._later = int(own)
        self._unglued = unglued
        self._ids: list[int] = []
        self._logprobs: list[float] = []
        self._rows: list[np.ndarray] = []  # each [H, S]; the first predicts the first token
        self._judged = 0

    def run(self, guess: Sequence[int], budget: int, words: np.ndarray, stop: Stop | None) -> Draft:
        """Draft at most ``budget`` tokens; ``guess`` is what they will probably begin with."""
        guess = list(guess[:budget])
        ended = False
        while not ended:
            ended = self._take(guess, self._choices(guess), budget)
            guess = []
            if len(self._ids) >= budget or self._loops() or self._is_stopped(stop, words):
                break
        return self._draft(ended, words)

    def _choices(self, guess: list[int]) -> list[Choice]:
        """Return the greedy token, and its log-probability, after each new position."""
        known = [*self._prompt, *self._ids]
        choices = self._chooser.choose(known, guess)
        self._fresh = choices.rows
        chosen = list(choices.tokens)
        if self._unglued and not self._ids and self._vocabulary.glues(chosen[0][0]):
            likely = self._chooser.likeliest(known, CANDIDATES)
            unglued = (choice for choice in likely if not self._vocabulary.glues(choice[0]))
            chosen[0] = next(unglued, chosen[0])
        return chosen

    def _take(self, guess: list[int], choices: list[Choice], budget: int) -> bool:
        """Append tokens while guess and choice agree, and the choice after them; say if it ends."""
        for index, (token, logprob) in enumerate(choices):
            self._rows.append(self._fresh[index])
            ends = self._vocabulary.ends(token)
            if not ends or self._vocabulary.says_something(token):
                self._ids.append(token)
                self._logprobs.append(logprob)
            if ends:
                return True
            if len(self._ids) >= budget or index >= len(guess) or guess[index] != token:
                return False
        return False

    def _loops(self) -> bool:
        repeated = loop_length(self._ids)
        if repeated:
            del self._ids[-repeated:]
        return bool(repeated)

    def _is_stopped(self, stop: Stop | None, words: np.ndarray) -> bool:
        unjudged = range(self._judged, self._count)
        self._judged = unjudged.stop
        return stop is not None and any(stop(self._row(token), words) for token in unjudged)

    @property
    def _count(self) -> int:
        """How many tokens have their row."""
        return min(len(self._ids), len(self._rows) - self._later)

    def _row(self, token: int) -> np.ndarray:
        return self._rows[token + self._later]

    def _draft(self, ended: bool, words: np.ndarray) -> Draft:
        count = self._count
        text, ends = self._vocabulary.decode(self._prompt, self._ids[:count])
        return Draft(
            text=text,
            ids=tuple(self._ids[:count]),
            ends=tuple(ends),
            rows=np.stack([self._row(n) for n in range(count)]) if count else self._empty,
            words=words,
            ended=ended and count == len(self._ids),
            logprobs=np.array(self._logprobs[:count], np.float32),
        )


def beyond(before: str, draft: Draft | None, accepted: str) -> Sequence[int]:
    """Return the tokens of a draft, made after ``before``, that go on after ``accepted``."""
    said = len(accepted) - len(before)
    if draft is None or said < 0 or not (before + draft.text).startswith(accepted):
        return ()
    if said == 0:
        return draft.ids
    return draft.ids[draft.ends.index(said) + 1 :] if said in draft.ends else ()


def check_length(prompt: int, budget: int, context: int) -> None:
    """Raise PromptTooLong if so many tokens do not fit a context."""
    if prompt + budget > context:
        raise PromptTooLong(
            f"The prompt has {prompt} tokens and the draft may take {budget}, but the model's "
            f"context is {context}."
        )
