"""The work that is inside an engine now, of all sessions, text clients and uploads."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Steps:
    """Knows since when each thread is inside an engine.

    An engine brings the streams of all threads through the same passes, and a thread cannot be
    taken out of one: a step that does not come back concerns everybody.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._began: dict[object, float] = {}

    @contextmanager
    def step(self) -> Iterator[None]:
        """Mark the time during which this thread is inside an engine."""
        token = object()
        with self._lock:
            self._began[token] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._began[token]

    def longest(self) -> float:
        """Return how long the oldest step has taken so far, in seconds."""
        with self._lock:
            return time.monotonic() - min(self._began.values(), default=float("inf"))
