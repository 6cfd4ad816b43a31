"""The work that is inside an engine now, of all sessions, text clients and uploads."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from alignatt4llm.schedule.lanes import Lanes
from alignatt4llm.schedule.timelines import Done, News, Work


class Busy:
    """How long at least one thread of a session was inside an engine; threads share passes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._began = self._seconds = 0.0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Mark the time during which this thread is."""
        with self._lock:
            self._began = self._began if self._inside else time.monotonic()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._seconds += time.monotonic() - self._began

    @property
    def seconds(self) -> float:
        """The time so far."""
        with self._lock:
            return self._seconds + (time.monotonic() - self._began if self._inside else 0.0)


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


class Watched(Lanes):
    """Tells when what was heard has been translated."""

    def __init__(self, stepped: Callable[[], None], *how: Any) -> None:
        super().__init__(*how)
        self._stepped = stepped

    def next(self, hungry: bool = True) -> list[News]:
        """Wait for what happens next; see `Lanes`."""
        news = super().next(hungry)
        if any(isinstance(item, Done) and item.work is Work.TRANSLATE for item in news):
            self._stepped()
        return news
