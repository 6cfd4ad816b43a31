"""One draft in the making: verify what was held, then decode until told to stop."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from alignatt4llm.attention.packed import Feed, Stream
from alignatt4llm.translators.base import Draft, Stop, loop_length
from alignatt4llm.translators.stepper import Stepper
from alignatt4llm.translators.vocabulary import Vocabulary

_CANDIDATES = 64
"""Likeliest tokens among which the first that starts a new word is sought."""


class Drafting:
    """Greedy decoding after a prompt.

    Parameters
    ----------
    stepper, vocabulary, stream
        The model, its tokens, and what is kept of this stream.
    prompt
        Tokens of the prompt.
    columns
        Positions of its source tokens, shape [S].
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
        stepper: Stepper,
        vocabulary: Vocabulary,
        stream: Stream,
        prompt: Sequence[int],
        columns: Tensor,
        *,
        own: bool,
        unglued: bool,
    ) -> None:
        self._stepper, self._vocabulary, self._stream = stepper, vocabulary, stream
        self._prompt, self._columns = list(prompt), columns
        self._later = int(own)
        self._unglued = unglued
        self._ids: list[int] = []
        self._logprobs: list[float] = []
        self._rows: list[np.ndarray] = []  # each [H, S]; the first predicts the first token
        self._judged = 0
        self.guess: list[int] = []

    def run(self, guess: Sequence[int], budget: int, words: np.ndarray, stop: Stop | None) -> Draft:
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

    def _choices(self, words: np.ndarray, stop: Stop | None) -> list[tuple[int, float]]:
        """Feed what is new; return the greedy token, and its log-probability, after each."""
        known = [*self._prompt, *self._ids]
        fed = [*known, *self.guess]
        self._stream.keep(common(self._stream.ids, known[:-1]))

        unread = max(0, self._later - len(self._rows))  # rows that belong to no token

        def needed(rows: Tensor) -> int:
            if stop is None or not self.guess:
                return len(rows)
            held = stop(rows[unread:].cpu().numpy(), words) + unread - self._later
            return min(len(rows), max(1, 1 + held))

        new, wanted = fed[len(self._stream.ids) :], 1 + len(self.guess)
        feed = Feed(self._stream, new, wanted, self._columns, needed)
        self._stepper.step(feed)
        logits = feed.logits.float()  # [N, vocabulary]
        best = logits.argmax(-1)
        if self._unglued and not self._ids:
            best[0] = self._first(logits[0])
        chosen = logits.gather(1, best[:, None])[:, 0] - logits.logsumexp(-1)
        self._fresh = feed.rows.cpu().numpy()  # [N, H, S]
        return list(zip(best.tolist(), chosen.tolist(), strict=True))

    def _first(self, logits: Tensor) -> int:
        likely: list[int] = logits.topk(min(_CANDIDATES, len(logits))).indices.tolist()
        return next((token for token in likely if not self._vocabulary.glues(token)), likely[0])

    def _take(self, choices: list[tuple[int, float]], budget: int) -> bool:
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

    def _is_stopped(self, stop: Stop | None, words: np.ndarray) -> bool:
        unjudged = range(self._judged, self._count)
        self._judged = unjudged.stop
        if stop is None or not unjudged:
            return False
        return stop(np.stack([self._row(n) for n in unjudged]), words) < len(unjudged)

    @property
    def _count(self) -> int:
        """How many tokens have their row."""
        return min(len(self._ids), len(self._rows) - self._later)

    def _row(self, token: int) -> np.ndarray:
        return self._rows[token + self._later]

    def _draft(self, ended: bool, words: np.ndarray) -> Draft:
        count = self._count
        text, ends = self._vocabulary.decode(self._prompt, self._ids[:count])
        empty = np.zeros((0, len(self._stream.heads), len(self._columns)), np.float32)
        return Draft(
            text=text,
            ids=tuple(self._ids[:count]),
            ends=tuple(ends),
            rows=np.stack([self._row(n) for n in range(count)]) if count else empty,
            words=words,
            ended=ended and count == len(self._ids),
            logprobs=np.array(self._logprobs[:count], np.float32),
        )


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """Count the tokens that both begin with."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
