"""What each schedule of recogniser and translator costs in latency, with real models.

Every step is run and timed, and a simulated timeline puts the steps where the schedule would have
them in real time: a recording of ten minutes needs no ten minutes, and all schedules see the same
machine. That two models on one device slow each other down is not part of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import End
from alignatt4llm.schedule.feeder import REGIMES, Feeder, run
from alignatt4llm.schedule.timelines import PIECE, MeasuredTimeline
from alignatt4llm.session import Session


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
        feeder = Feeder(open_session(timeline.clock), chunk, regime)
        *_, end = run(feeder, timeline)
        assert isinstance(end, End)
        found[name] = _latency(end)
    return found


def _latency(end: End) -> ScheduleLatency:
    if not end.units:
        return ScheduleLatency(0.0, 0.0, 0.0, 0)
    delay, elapsed = float(np.mean(end.delays)), float(np.mean(end.elapsed))
    return ScheduleLatency(delay, elapsed, elapsed - delay, len(end.units))
