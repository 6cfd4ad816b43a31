"""Stopwatches: interleaved repeats, medians, and the speed of memory."""

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch

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


def bytes_per_second(device: torch.device) -> float:
    """Return how fast this device reads its memory, by summing a large tensor."""
    large = torch.ones(_BYTES // 4, device=device)
    return _BYTES / median(seconds(large.sum) for _ in range(_READS))
