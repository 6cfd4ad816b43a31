"""A CPU worker's own work beside vLLM's steps, on the processors that vLLM leaves idle."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import parent_process
from typing import Any, TypeVar

from torch import set_num_threads  # imported before vLLM makes it do nothing

T = TypeVar("T")


class Beside:
    """Does one piece of work at a time in a thread of its own, in two stages."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "rows", _unbind)
        self._begun: list[Future[Any]] = []

    def begin(self, first: Callable[[], T], then: Callable[[T], None]) -> None:
        """Begin a piece of work; the last one must be finished."""
        settled = self._pool.submit(first)
        self._begun = [settled, self._pool.submit(lambda: then(settled.result()))]

    @property
    def busy(self) -> bool:
        """Whether what was begun may not be done."""
        return any(not stage.done() for stage in self._begun)

    def settle(self) -> None:
        """Wait until the first stage of what was begun is done; raise what it has raised."""
        if self._begun:
            self._begun[0].result()

    def finish(self) -> None:
        """Wait until what was begun is done; raise what it has raised, once."""
        begun, self._begun = self._begun, []
        for stage in begun:
            stage.result()

    def close(self) -> None:
        """Wait until what was begun is done, and begin no more."""
        self._pool.shutdown()


def _unbind() -> None:
    """Let this thread, and no others of its own, run wherever vLLM's engine may.

    vLLM binds the process of a worker, and with it the threads that it starts, to the processors
    that compute steps.
    """
    set_num_threads(1)
    engine = parent_process()
    if sys.platform == "linux" and engine is not None and engine.pid is not None:
        with suppress(OSError):
            os.sched_setaffinity(0, os.sched_getaffinity(engine.pid))
