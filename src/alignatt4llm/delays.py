"""When each unit of the translation was said, and what the process needed for it."""

import resource
import sys

from alignatt4llm.text.languages import Language
from alignatt4llm.text.units import units


class Delays:
    """Collects computation-unaware and -aware times of every target unit.

    A unit is timed when its first character is said. ``delays`` are milliseconds of audio
    consumed, ``elapsed`` milliseconds of wall clock.
    """

    def __init__(self, language: Language) -> None:
        self._language = language
        self.units: list[str] = []
        self.delays: list[float] = []
        self.elapsed: list[float] = []

    def add(self, text: str, audio_s: float, wall_s: float) -> None:
        """Account for text said now."""
        glued = bool(self.units) and not self._language.by_character and not text[:1].isspace()
        fresh = units(text, self._language)
        if glued and fresh:
            self.units[-1] += fresh.pop(0)
        self.units.extend(fresh)
        self.delays.extend([audio_s * 1000] * len(fresh))
        self.elapsed.extend([wall_s * 1000] * len(fresh))


def peak_memory_mb() -> float:
    """Return the largest resident size of this process so far, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024
