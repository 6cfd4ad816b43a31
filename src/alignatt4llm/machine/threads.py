"""How many CPU threads decode a token fastest on this machine, now.

More is not always faster: threads that wait for one another after every small product lose more
than they share, and on shared virtual CPUs, where one of them may not be running, two can be ten
times slower than one.
"""

import os
import time
from statistics import median
from typing import TYPE_CHECKING

from alignatt4llm.errors import UsageError
from alignatt4llm.machine.device import computes_bfloat16

if TYPE_CHECKING:
    from torch import Tensor

WIDTH = 640
"""Numbers that describe a token inside a small model."""
FEW = 4
"""Threads from which a small model gains little more."""
_ROUNDS = 100
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


def best_threads(width: int = WIDTH) -> int:
    """Return ``ALIGNATT_THREADS``, or the number of threads that was measured to be fastest.

    Parameters
    ----------
    width
        Numbers that describe a token inside the model.

    Raises
    ------
    UsageError
        If ``ALIGNATT_THREADS`` is not a number of threads.
    """
    return chosen_threads() or fastest(measure(width))


def chosen_threads() -> int | None:
    """Return ``ALIGNATT_THREADS`` if it is set; raise UsageError as `best_threads` does."""
    chosen = os.environ.get("ALIGNATT_THREADS")
    if not chosen:
        return None
    if not chosen.isdecimal() or int(chosen) < 1:
        raise UsageError(f"ALIGNATT_THREADS is '{chosen}'; it must be a whole number from 1 on.")
    return int(chosen)


def beside(measured: int = 0) -> int:
    """Return the threads of a model that runs in turn with another.

    They are ``ALIGNATT_THREADS``; or what was measured to suit the other model; or, where nothing
    was, a few.

    Raises
    ------
    UsageError
        If ``ALIGNATT_THREADS`` is not a number of threads.
    """
    return chosen_threads() or measured or min(FEW, available_cpus())


def measure(width: int = WIDTH) -> dict[int, float]:
    """Return the milliseconds that a layer of a decoder takes for a token, by number of threads.

    It takes less than a second; torch's own number of threads is as before afterwards.
    """
    import torch

    shapes = [(width, width), (width, width), (3 * width, width), (width, 3 * width)]
    dtype = torch.bfloat16 if computes_bfloat16() else torch.float32
    layers = [torch.zeros(shape, dtype=dtype) for shape in shapes]  # output, input
    before = torch.get_num_threads()
    taken = {}
    for threads in candidates(available_cpus()):
        torch.set_num_threads(threads)
        taken[threads] = _milliseconds(layers)
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


def _milliseconds(layers: "list[Tensor]") -> float:
    """Return the median duration of a round; the first one, which starts threads, is left out."""
    import torch

    token = torch.ones(1, layers[0].shape[1], dtype=layers[0].dtype)
    durations: list[float] = []
    deadline = time.perf_counter() + _SECONDS
    with torch.inference_mode():
        while len(durations) <= _ROUNDS and (len(durations) < 3 or time.perf_counter() < deadline):
            begin = time.perf_counter()
            state = token
            for layer in layers:
                state = torch.nn.functional.linear(_normed(state), layer)
            durations.append(1000 * (time.perf_counter() - begin))
    return median(durations[1:])


def _normed(state: "Tensor") -> "Tensor":
    """Do the small things that happen between the products of a layer."""
    wide = state.float()
    return (wide * (wide.square().mean() + 1e-6).rsqrt()).to(state.dtype)
