"""Which recognised words are final: those that two successive hypotheses agree on."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from alignatt4llm.events import SourceWord
from alignatt4llm.text.prefix import common_prefix
from alignatt4llm.text.words import same

HOLD_BACK = 0.3
"""Seconds of audio that must follow a word before it may become final."""
PATIENCE = 2.5
"""Seconds of audio after a word, at which the newest of several readings of it will do; twice that
where a number is among them, as it is heard in parts until all of it has been said."""

_SEAM_WORDS = 8


class Agreement:
    """Commits words once two successive hypotheses say them and enough audio has followed.

    The words are compared without case and punctuation; the newer text is committed. A word that
    keeps changing is committed after PATIENCE seconds, or twice that beside a number, as it was
    heard last. The last word of a hypothesis is never committed by `update`: it may be cut off, and
    its full stop is often only the end of the audio.

    Parameters
    ----------
    hold_back
        Seconds between a word's end and the clock before it may be committed.

    Attributes
    ----------
    pending
        The words of the newest hypothesis that are not committed.
    end
        Where the last committed word ends, in seconds; no later word starts before it.
    """

    def __init__(self, hold_back: float = HOLD_BACK) -> None:
        self.pending: tuple[SourceWord, ...] = ()
        self.end = 0.0
        self._hold_back = hold_back
        self._recent: deque[str] = deque(maxlen=_SEAM_WORDS)

    def update(self, hypothesis: Sequence[SourceWord], clock: float) -> list[SourceWord]:
        """Compare a hypothesis with the one before and return the words that became final.

        Parameters
        ----------
        hypothesis
            Words in order, on the stream clock. It may begin with words already committed.
        clock
            Seconds of audio that the hypothesis has heard.
        """
        previous, self.pending = self.pending, self._beyond_committed(hypothesis)
        agreed = min(self._agreed(previous), max(0, len(self.pending) - 1))
        count = min(agreed, self._ended_by(clock - self._hold_back))
        seen = min(len(previous), len(self.pending) - 1)
        overdue = min(seen, self._overdue(clock))
        return self._commit(max(count, overdue))

    def flush(self, until: float = float("inf")) -> list[SourceWord]:
        """Commit the pending words that end by ``until``, agreed upon or not."""
        return self._commit(self._ended_by(until))

    def _ended_by(self, until: float) -> int:
        """Count the first pending words that end by a time."""
        late = (n for n, word in enumerate(self.pending) if word.end > until)
        return next(late, len(self.pending))

    def _overdue(self, clock: float) -> int:
        """Count the first pending words that have waited long enough."""
        count = self._ended_by(clock - PATIENCE)
        counted = any(char.isdigit() for word in self.pending[:count] for char in word.text)
        return self._ended_by(clock - 2 * PATIENCE) if counted else count

    def _agreed(self, previous: Sequence[SourceWord]) -> int:
        """Count the pending words that are no longer expected to change."""
        said, now = ([same(word.text) for word in words] for words in (previous, self.pending))
        return common_prefix(said, now)

    def _commit(self, count: int) -> list[SourceWord]:
        committed = list(self.pending[:count])
        self.pending = self.pending[count:]
        if committed:
            self.end = committed[-1].end
            self._recent.extend(same(word.text) for word in committed)
        return committed

    def _beyond_committed(self, words: Sequence[SourceWord]) -> tuple[SourceWord, ...]:
        """Drop what was committed before, by text at the seam, then by time."""
        words = words[self._said_again(words) :]
        said = 0
        while said < len(words) and (words[said].start + words[said].end) / 2 < self.end:
            said += 1
        return tuple(_in_order(words[said:], self.end))

    def _said_again(self, words: Sequence[SourceWord]) -> int:
        """Count the first words that repeat the last committed ones at the time of those."""
        recent = list(self._recent)
        opening = [same(word.text) for word in words if word.start < self.end]
        counts = range(min(len(opening), len(recent)), 0, -1)
        return next((n for n in counts if recent[-n:] == opening[:n]), 0)


def _in_order(words: Iterable[SourceWord], after: float) -> Iterable[SourceWord]:
    """Move times forward where a word would start before the one in front of it has ended."""
    for word in words:
        start = max(word.start, after)
        after = max(word.end, start)
        yield replace(word, start=start, end=after)
