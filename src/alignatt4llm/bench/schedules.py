"""What each schedule of recogniser and translator costs in latency, with real models.

Every step is run and timed, and a simulated timeline puts the steps where the schedule would have
them in real time: a recording of ten minutes needs no ten minutes, and all schedules see the same
machine. That two models on one device slow each other down is not part of it.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import End
from alignatt4llm.schedule import PIECE, REGIMES, Done, SimulatedTimeline, Work, run
from alignatt4llm.session import Session


class MeasuredTimeline(SimulatedTimeline):
    """A timeline on which work takes as long as it really takes.

    Parameters
    ----------
    audio
        Pieces of audio; each arrives when its last sample has been heard.
    wall
        The real clock, in seconds.
    """

    def __init__(
        self, audio: Iterable[Samples], wall: Callable[[], float] = time.perf_counter
    ) -> None:
        super().__init__(audio, {})
        self._wall = wall
        self._began: float | None = None

    def start(self, work: Work, call: Callable[[], Any]) -> None:
        """Do the work now; it is done when the time that it took has passed."""
        self._began = self._wall()
        result = call()
        took, self._began = self._wall() - self._began, None
        end = round(self.now + took, 6)
        self.log.append((work, self.now, end))
        self._at(end, lambda: Done(work, result))

    def clock(self) -> float:
        """Seconds since the stream began, also while work is being done."""
        return self.now + (self._wall() - self._began if self._began is not None else 0.0)


@dataclass(frozen=True, slots=True)
class ScheduleLatency:
    """How late the translation was under a schedule, in milliseconds.

    Attributes
    ----------
    delay
        Mean audio heard when a unit was said.
    elapsed
        Mean time at which it was said.
    computation
        Mean of their difference: what computing and waiting added.
    units
        Units said.
    """

    delay: float
    elapsed: float
    computation: float
    units: int


def measure(
    open_session: Callable[[Callable[[], float]], Session], audio: Samples, chunk: float
) -> dict[str, ScheduleLatency]:
    """Translate a recording under every schedule.

    Parameters
    ----------
    open_session
        Starts a session on a given clock.
    audio
        The recording, shape [n].
    chunk
        Seconds of audio per step.
    """
    size = round(PIECE * SAMPLE_RATE)
    pieces = [audio[at : at + size] for at in range(0, len(audio), size)]
    found = {}
    for name, regime in REGIMES.items():
        timeline = MeasuredTimeline(pieces)
        *_, end = run(open_session(timeline.clock), timeline, regime, chunk)
        assert isinstance(end, End)
        found[name] = _latency(end)
    return found


def _latency(end: End) -> ScheduleLatency:
    if not end.units:
        return ScheduleLatency(0.0, 0.0, 0.0, 0)
    delay, elapsed = float(np.mean(end.delays)), float(np.mean(end.elapsed))
    return ScheduleLatency(delay, elapsed, elapsed - delay, len(end.units))
