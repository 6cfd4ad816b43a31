"""Stopwatches: interleaved repeats, medians, and the speed of memory."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import torch

from alignatt4llm.delays import peak_memory_mb

_BYTES = 1 << 28
_READS = 7


def interleaved(arms: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Run every arm once, unmeasured, then all in turn so many times; return median seconds."""
    for run in arms.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(repeats):
        for name, run in arms.items():
            taken[name].append(seconds(run))
    return {name: median(times) for name, times in taken.items()}


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def resident_mb() -> float:
    """Return the megabytes that this process has in memory now, or had at most, off Linux."""
    statistics = Path("/proc/self/statm")
    if not statistics.is_file():
        return peak_memory_mb()
    pages = int(statistics.read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def bytes_per_second(device: torch.device) -> float:
    """Return how fast this device reads its memory, by summing a large tensor."""
    large = torch.ones(_BYTES // 4, device=device)
    return _BYTES / median(seconds(large.sum) for _ in range(_READS))
