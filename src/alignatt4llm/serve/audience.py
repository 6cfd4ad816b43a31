"""Who reads a session along, in which language, and how fast they must."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alignatt4llm.events import Commit
from alignatt4llm.outputs.rules import rules_for
from alignatt4llm.outputs.speed import ReadingSpeed
from alignatt4llm.text.languages import Language, language


class Audience:
    """The listeners of one session.

    Parameters
    ----------
    targets
        The languages that the session is translated into.
    """

    def __init__(self, targets: Sequence[Language]) -> None:
        self._only = targets[0]
        self._listeners: Counter[str] = Counter()
        self._speeds: dict[str, ReadingSpeed] = {}

    @contextmanager
    def one_more(self, code: str) -> Iterator[None]:
        """Count somebody who reads a language."""
        self._listeners[code] += 1
        try:
            yield
        finally:
            self._listeners[code] -= 1

    def read(self, commit: Commit) -> None:
        """Note what there is to read."""
        spoken = language(getattr(commit, "to", "") or self._only.code)
        if spoken.code not in self._speeds:
            self._speeds[spoken.code] = ReadingSpeed(rules_for("netflix", spoken))
        self._speeds[spoken.code].add(commit)

    def told(self, now: float) -> dict[str, Any]:
        """Return how many read which language, and how fast, as speakers are told.

        Parameters
        ----------
        now
            Seconds of the stream that are translated.
        """
        reading = {
            code: {"speed": round(speed.speed(now), 1), "most": speed.most}
            for code, speed in tuple(self._speeds.items())
        }
        return {"listeners": dict(+self._listeners), "reading": reading}
