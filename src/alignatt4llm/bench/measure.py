"""Stopwatches: interleaved repeats, medians, and the speed of memory."""

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np

from alignatt4llm.delays import peak_memory_mb

_BYTES = 1 << 28
_READS = 7


class Bursts:
    """Some ways of doing something, each run several times in turn.

    Parameters
    ----------
    arms
        The ways, by name.
    each
        How often each is run and timed in a burst; before it, each is run once untimed.

    Attributes
    ----------
    taken
        Seconds of every run that was timed.
    """

    def __init__(self, arms: Mapping[str, Callable[[], object]], each: int = 1) -> None:
        self._arms, self._each = dict(arms), each
        self.taken: dict[str, list[float]] = {name: [] for name in arms}

    def turn(self) -> bool:
        """Run a burst, each arm first as often as last; there could always be another."""
        for run in self._arms.values():
            run()
        for _ in range(self._each):
            for name, run in self._arms.items():
                self.taken[name].append(seconds(run))
            self._arms = dict(reversed(self._arms.items()))
        return True

    def ms(self, name: str) -> float:
        """Return the median milliseconds of an arm."""
        return 1000 * median(self.taken[name])

    def ratio(self, one: str, other: str) -> float:
        """Return the median ratio of runs that followed each other.

        A machine that changes its speed blurs it less than a ratio of medians.
        """
        return median(a / b for a, b in zip(self.taken[one], self.taken[other], strict=True))


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def resident_mb() -> float:
    """Return the megabytes that this process has in memory now, or had at most, off Linux."""
    statistics = Path("/proc/self/statm")
    if not statistics.is_file():
        return peak_memory_mb()
    pages = int(statistics.read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def bytes_per_second(threads: int = 1) -> float:
    """Return how fast so many threads read memory together."""
    parts = np.array_split(np.ones(_BYTES // 8), threads)
    with ThreadPoolExecutor(threads) as pool:
        return speed(lambda: list(pool.map(np.max, parts)), _BYTES)


def speed(read: Callable[[], object], size: int) -> float:
    """Return the bytes per second of something that reads so many."""
    return size / median(seconds(read) for _ in range(_READS))
