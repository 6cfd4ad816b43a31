"""How fast one must read to keep up with what is said."""

from collections import deque

from alignatt4llm.events import Commit
from alignatt4llm.outputs.rules import Rules
from alignatt4llm.text.width import width

WINDOW = 10.0
"""Seconds of the stream over which it is measured: about two cues."""


class ReadingSpeed:
    """Characters a second of what was said last.

    Parameters
    ----------
    rules
        Say how many can be read, and which count half.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._recent: deque[tuple[float, float]] = deque()

    def add(self, commit: Commit) -> None:
        """Take what was said."""
        self._recent.append((commit.audio_s, width(commit.text, self._rules.halves)))
        while self._recent[0][0] <= commit.audio_s - WINDOW:
            self._recent.popleft()

    def speed(self, now: float) -> float:
        """Return the characters a second in the seconds before ``now``, in any thread."""
        recent = tuple(self._recent)
        return sum(wide for at, wide in recent if now - WINDOW < at) / WINDOW

    @property
    def most(self) -> float:
        """Characters a second that can be read."""
        return self._rules.speed
