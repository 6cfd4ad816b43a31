"""One model, many streams: what waits at the same moment goes through in one pass."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import Generic, Protocol, TypeVar


class Fed(Protocol):
    """What a stream feeds in a pass."""

    @property
    def ids(self) -> Sequence[int]:
        """The new tokens."""
        ...


F = TypeVar("F", bound=Fed)

PATIENCE = 0.02
"""Seconds that streams ready to step wait for one that is between two steps, from the end of the
last pass on: whoever was in it comes back in a moment."""
MOST_TOKENS = 512
"""New tokens in a pass, beyond which further streams wait for the next."""


@dataclass(slots=True)
class Counters:
    """Work done so far: passes, tokens fed in them, and passes' shares of a single token."""

    passes: int = 0
    tokens: int = 0
    steps: int = 0


@dataclass(slots=True)
class _Ticket(Generic[F]):
    feed: F
    since: float
    done: bool = False
    problem: BaseException | None = None


class Stepper(Generic[F]):
    """Brings the steps of several streams together.

    Every stream drafts in a thread of its own and calls `step`. The thread that finds all
    streams that are drafting ready runs the pass for all of them; a lone stream is ready at once.

    Parameters
    ----------
    run
        Runs a pass over some feeds.
    """

    def __init__(self, run: Callable[[Sequence[F]], None]) -> None:
        self._run = run
        self._changed = Condition()
        self._waiting: list[_Ticket[F]] = []
        self._drafting = 0
        self._running = False
        self._ended = 0.0
        self.counters = Counters()

    @contextmanager
    def drafting(self) -> Iterator[None]:
        """Say that this thread will take several steps."""
        with self._changed:
            self._drafting += 1
        try:
            yield
        finally:
            with self._changed:
                self._drafting -= 1
                self._changed.notify_all()

    def step(self, feed: F) -> None:
        """Have a feed's logits and rows computed; return when they are there.

        Raises
        ------
        BaseException
            What went wrong with this feed; other streams are not concerned.
        """
        ticket = _Ticket(feed, time.monotonic())
        with self._changed:
            self._waiting.append(ticket)
            self._changed.notify_all()
            while not ticket.done:
                if not self._running and self._is_time():
                    self._lead()
                else:
                    self._changed.wait(PATIENCE)
        if ticket.problem is not None:
            raise ticket.problem

    def _is_time(self) -> bool:
        """Whether everybody is there, or those who are have waited long enough."""
        if not self._waiting:
            return False
        waited = time.monotonic() - max(self._waiting[0].since, self._ended)
        return len(self._waiting) >= self._drafting or waited >= PATIENCE

    def _lead(self) -> None:
        """Run a pass for those who wait, longest first; the lock is free meanwhile."""
        batch = self._next()
        self._running = True
        self._changed.release()
        try:
            self._serve(batch)
        finally:
            self._changed.acquire()
            self._running, self._ended = False, time.monotonic()
            for ticket in batch:
                ticket.done = True
            self._changed.notify_all()

    def _next(self) -> list[_Ticket[F]]:
        count, tokens = 0, 0
        while count < len(self._waiting) and (count == 0 or tokens < MOST_TOKENS):
            tokens += len(self._waiting[count].feed.ids)
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self.counters.passes += 1
        self.counters.tokens += sum(len(ticket.feed.ids) for ticket in batch)
        self.counters.steps += sum(len(ticket.feed.ids) == 1 for ticket in batch)
        return batch

    def _serve(self, batch: list[_Ticket[F]]) -> None:
        """Run the pass; if it fails, each feed by itself, so that only the culprit suffers."""
        try:
            self._run([ticket.feed for ticket in batch])
        except Exception as problem:
            if len(batch) == 1:
                batch[0].problem = problem
                return
            for ticket in batch:
                self._serve([ticket])
        except BaseException as problem:
            for ticket in batch:
                ticket.problem = problem
