"""The source side of a session: recognised words, the stream clock, the frontier."""

from dataclasses import dataclass, field

SAMPLE_RATE = 16_000
"""Samples per second of the one clock; every time in the package derives from it."""


@dataclass(frozen=True, slots=True)
class SourceWord:
    """A recognised word with its trailing punctuation; times in seconds since the stream began."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a recogniser says after one step.

    Attributes
    ----------
    committed
        Words that became final in this step; they never change again.
    tail
        The current guess for what follows; it replaces the previous tail.
    """

    committed: tuple[SourceWord, ...] = ()
    tail: tuple[SourceWord, ...] = ()
