"""A CPU worker's own work beside vLLM's sampling, for which vLLM leaves processors idle."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import parent_process

from torch import set_num_threads  # imported before vLLM makes it do nothing


class Beside:
    """Does one piece of work at a time in a thread of its own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "rows", _unbind)
        self._begun: Future[None] | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Begin a piece of work; the last one must be finished."""
        self._begun = self._pool.submit(work)

    def finish(self) -> None:
        """Wait until what was begun is done; raise what it has raised."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.result()

    def close(self) -> None:
        """Finish, and begin no more."""
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
