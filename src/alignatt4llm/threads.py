"""How many CPU threads decode a token fastest on this machine, now.

More is not always faster: on shared virtual CPUs, threads that wait for one another while one of
them is not running can make two threads ten times slower than one.
"""

import os
import time
from statistics import median
from typing import TYPE_CHECKING

from alignatt4llm.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

_ROUNDS = 40
_SECONDS = 0.15
"""The longest that one number of threads is measured."""
_WORTH = 0.95
"""More threads must take less than this share of the time to be preferred."""


def prepare_environment() -> None:
    """Let waiting threads sleep, and bound memory; must run before torch is imported.

    oneDNN compiles a kernel for every number of tokens in a pass and by default keeps a thousand.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


def best_threads() -> int:
    """Return ``ALIGNATT_THREADS``, or the number of threads that was measured to be fastest.

    Raises
    ------
    UsageError
        If ``ALIGNATT_THREADS`` is not a number of threads.
    """
    return chosen_threads() or fastest(measure())


def chosen_threads() -> int | None:
    """Return ``ALIGNATT_THREADS`` if it is set; raise UsageError as `best_threads` does."""
    chosen = os.environ.get("ALIGNATT_THREADS")
    if not chosen:
        return None
    if not chosen.isdecimal() or int(chosen) < 1:
        raise UsageError(f"ALIGNATT_THREADS is '{chosen}'; it must be a whole number from 1 on.")
    return int(chosen)


def measure() -> dict[int, float]:
    """Return the milliseconds that work shaped like decoding takes, by number of threads.

    It takes less than a second; torch's own number of threads is as before afterwards.
    """
    import torch

    shapes = [(2048, 640), (640, 2048), (1024, 640), (16384, 640)]  # output, input
    layers = [torch.zeros(shape, dtype=torch.bfloat16) for shape in shapes]
    tokens = [torch.zeros((1, size), dtype=torch.bfloat16) for _, size in shapes]
    before = torch.get_num_threads()
    taken = {}
    for threads in candidates(available_cpus()):
        torch.set_num_threads(threads)
        taken[threads] = _milliseconds(layers, tokens)
    torch.set_num_threads(before)
    return taken


def fastest(taken: dict[int, float]) -> int:
    """Return the fewest threads than which none is clearly faster."""
    best = min(taken)
    for threads in sorted(taken):
        if taken[threads] < _WORTH * taken[best]:
            best = threads
    return best


def candidates(cpus: int) -> list[int]:
    """Return 1, 2, 4 and so on up to 16, and no more than there are CPUs."""
    return [threads for threads in (1, 2, 4, 8, 16) if threads <= max(1, cpus)]


def available_cpus() -> int:
    """Return how many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _milliseconds(layers: "list[Tensor]", tokens: "list[Tensor]") -> float:
    """Return the median duration of a round; the first one, which starts threads, is left out."""
    from torch.nn.functional import linear

    durations: list[float] = []
    deadline = time.perf_counter() + _SECONDS
    while len(durations) <= _ROUNDS and (len(durations) < 3 or time.perf_counter() < deadline):
        begin = time.perf_counter()
        for layer, token in zip(layers, tokens, strict=True):
            linear(token, layer)
        durations.append(1000 * (time.perf_counter() - begin))
    return median(durations[1:])
