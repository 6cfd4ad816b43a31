"""The one feeder: chunks, lateness, stopping and the end, whoever brings the audio."""

from alignatt4llm.schedule.clock import Clocked, StreamClock
from alignatt4llm.schedule.feeder import IN_TURN, PIECE, PUSHED, REGIMES, Feeder, Regime, run
from alignatt4llm.schedule.live import InTurn, LiveTimeline, Pushed
from alignatt4llm.schedule.simulated import SimulatedTimeline
from alignatt4llm.schedule.timeline import (
    Arrived,
    Done,
    Ended,
    Failed,
    News,
    Result,
    Streamed,
    Timeline,
    Told,
    Work,
)

__all__ = [
    "IN_TURN",
    "PIECE",
    "PUSHED",
    "REGIMES",
    "Arrived",
    "Clocked",
    "Done",
    "Ended",
    "Failed",
    "Feeder",
    "InTurn",
    "LiveTimeline",
    "News",
    "Pushed",
    "Regime",
    "Result",
    "SimulatedTimeline",
    "StreamClock",
    "Streamed",
    "Timeline",
    "Told",
    "Work",
    "run",
]
