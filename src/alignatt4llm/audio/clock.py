"""The clock of a container: where its timestamps put sound in the stream."""

from typing import Any

import av
from av.container import InputContainer
from av.format import Flags

TOLERANCE = 0.04
"""Seconds by which timestamps may be off: they are rounded, and not all clocks are exact."""
OVERLAP = 0.25
"""Seconds of sound that may lie on sound that was heard; beyond it the clock has gone back."""
LONGEST_GAP = 3600.0
"""Seconds of silence at a time; beyond it the clock has jumped ahead."""


class Clock:
    """Compares timestamps with where the stream stands.

    A stream begins when the first of the container's streams does. Sound that is later than where
    the stream stands has silence before it. A clock that goes back, or ahead by more than an hour,
    is another clock: its time is where the stream stands then. Nothing that was decoded is left
    out.

    Parameters
    ----------
    start
        The container's time at the beginning of the stream, in seconds; that of the first sound
        if None.
    stamped
        Whether there are timestamps; without, sound follows on sound.

    Attributes
    ----------
    late
        Whether sound is behind its timestamps, so that it should be played a little faster.
    jumps
        How many other clocks there were.
    """

    def __init__(self, start: float | None = None, stamped: bool = True) -> None:
        self.late = False
        self.jumps = 0
        self._origin, self._stamped = start, stamped

    def gap(self, time: float | None, now: float) -> float:
        """Return the seconds of silence before sound.

        Parameters
        ----------
        time
            When the container says the sound begins, in its own seconds; None if it does not say.
        now
            Where the stream stands, in seconds since it began.
        """
        if time is None or not self._stamped:
            return 0.0
        if self._origin is None:
            self._origin = time - now
        ahead = time - self._origin - now
        if not -OVERLAP <= ahead <= LONGEST_GAP:
            self.jumps += 1
            self._origin, ahead = time - now, 0.0
        self.late = ahead < -TOLERANCE or (self.late and ahead < 0)
        return ahead if ahead > TOLERANCE else 0.0


def clock(container: InputContainer, now: float = 0.0) -> Clock:
    """Return the clock of a container that begins where the stream stands now, in seconds.

    Formats of bare sound (WAV, MP3, ADTS) have no timestamps. FFmpeg makes some up from what it
    knows of the first packets, which do not hold once the sound changes.
    """
    flags: Any = container.format.flags
    start = container.start_time
    bare = flags & Flags.generic_index.value and not flags & Flags.ts_discont.value
    return Clock(None if start is None else start / av.time_base - now, stamped=not bare)
