"""What this computer can do live: what a model costs here, and which of several to take."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alignatt4llm.machine.threads import available_cpus, chosen_threads

LIVE = 0.8
"""Seconds of computing a second of speech that leave room for what else a computer does."""
HEARING = 0.2
"""Of these, seconds for a small recogniser such as Whisper base."""
TOKENS = 7
"""Tokens that are decoded a second of speech: passes a chunk of ``alignatt bench --quick --engine
llama.cpp --model embedded-large``, less the one that reads, in 0.7 s."""
JOINED = 4
"""Chunks that are joined when they are late, up to which one still follows live."""
_GAIN = 0.75
"""The share of a model's size that its time grows by at least."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a model drafts here.

    Attributes
    ----------
    read
        Seconds to read what is new in a chunk, and to choose the first token after it.
    step
        Seconds that every further token takes.
    """

    read: float
    step: float

    def load(self, chunk: float) -> float:
        """Return the seconds of computing a second of speech, in chunks of so many seconds."""
        return self.read / chunk + TOKENS * self.step

    def is_live(self, chunk: float) -> bool:
        """Whether the model keeps up beside a recogniser, late chunks joined."""
        return self.load(JOINED * chunk) <= LIVE - HEARING

    def settled(self, chunk: float) -> float:
        """Return the load with as few chunks joined as keep it up with speech."""
        loads = (self.load(count * chunk) for count in range(1, JOINED + 1))
        return next((load for load in loads if load <= LIVE - HEARING), self.load(JOINED * chunk))

    def times(self, targets: int) -> "Speed":
        """Return what so many targets at once take at most; they share passes and take less."""
        return Speed(targets * self.read, targets * self.step)

    def at_least(self, size: float) -> "Speed":
        """Return what a model of so many times the size takes at least."""
        share = max(1.0, _GAIN * size)
        return Speed(share * self.read, share * self.step)


@dataclass(frozen=True, slots=True)
class Option:
    """A model in an engine, and how fast it is there."""

    model: str
    engine: str
    speed: Speed


def choose(options: Sequence[Option], chunk: float) -> Option:
    """Return the best model that is live, in the engine where it is fastest.

    Parameters
    ----------
    options
        One or more; better models come first.
    chunk
        Seconds of audio a step.

    Returns
    -------
    Option
        The fastest of all where none is live.
    """

    def load(option: Option) -> float:
        return option.speed.load(chunk)

    live = [option for option in options if option.speed.is_live(chunk)]
    best = [option for option in options if live and option.model == live[0].model]
    return min(best or options, key=load)


def machine() -> str:
    """Return which computer this is, as far as speed goes: processor and threads to compute with.

    Raises
    ------
    UsageError
        If ``ALIGNATT_THREADS`` is not a number of threads.
    """
    return f"{_processor()}, {chosen_threads() or available_cpus()} threads"


def _processor() -> str:
    """Return the name of the processor; on Linux Python knows the family only."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
