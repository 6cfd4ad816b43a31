"""A CPU worker's own work beside vLLM's, which leaves processors idle between two steps."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

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
    """Let this thread run on any one processor that the worker's parent may use.

    vLLM binds the worker, and with it the threads that it starts, to the processors that compute
    steps.
    """
    set_num_threads(1)
    if sys.platform == "linux":
        os.sched_setaffinity(0, os.sched_getaffinity(os.getppid()))
