"""When a cue shows, given when its words are spoken and when the one before it ends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from alignatt4llm.outputs.rules import Rules, milliseconds

LINGER = 500
"""Milliseconds for which a cue may show on after its speech at no cost."""
FASTEST = 3
"""How many times as fast as it should be a cue that hurries is read at most."""


@dataclass(frozen=True, slots=True)
class Placed:
    """When a cue shows, in milliseconds.

    Attributes
    ----------
    start, end
        Of the cue.
    reading
        How long it takes to read.
    """

    start: int
    end: int
    reading: int

    @property
    def missing(self) -> float:
        """The share of the time for reading that it lacks, 0 to 1."""
        return max(0.0, 1 - (self.end - self.start) / self.reading)


def placed(
    start: int, end: int, reading: int, free: int, rules: Rules, hurries: bool = False
) -> Placed:
    """Return when a cue shows.

    It begins with its speech, or when the one before it has ended. It shows until it has been read
    and its speech is over, but not longer than the rules allow.

    Parameters
    ----------
    start, end
        Of its speech, in milliseconds.
    reading
        How long it takes to read.
    free
        From when on it may show.
    rules
        What it keeps to.
    hurries
        Whether it shows too short a time rather than too late.
    """
    begin = max(start, free)
    shortest = max(1, milliseconds(rules.shortest))
    until = max(begin + reading, end)
    if hurries:
        until = max(end + LINGER, begin + shortest, begin + round(reading / FASTEST))
    return Placed(begin, min(until, begin + max(1, milliseconds(rules.longest))), reading)


def joined(cues: Sequence[Placed], rules: Rules, after: int | None = None) -> list[Placed]:
    """Close gaps that are too short to be seen as such.

    Parameters
    ----------
    cues
        In order of time.
    rules
        Have the gaps and the longest time.
    after
        When what follows the last begins, if that is known.
    """
    starts = chain((cue.start for cue in cues[1:]), [after])
    return [_extended(cue, then, rules) for cue, then in zip(cues, starts, strict=False)]


def _extended(cue: Placed, then: int | None, rules: Rules) -> Placed:
    gap, bridge = milliseconds(rules.gap), milliseconds(rules.bridge)
    if then is None or not gap < then - cue.end < bridge:
        return cue
    if then - gap - cue.start <= milliseconds(rules.longest):
        return replace(cue, end=then - gap)
    shorter = then - bridge
    return replace(cue, end=shorter) if shorter - cue.start >= cue.reading else cue
