"""From a stream to one sink: in order, each cue once, and nobody waits for it."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Condition, Event, Thread

from alignatt4llm.errors import Tell
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.sinks.base import Again, Next, Numbered, Refused, Sink
from alignatt4llm.outputs.sinks.kept import Kept

_PATIENT = 3
"""Failures in a row that are told."""
_SENTENCES = 20
"""Sentences that are said at most while a stream runs."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for a sink; in seconds.

    Attributes
    ----------
    first, most
        Between two tries; each wait is twice as long as the one before.
    asked
        Between two tries, at most, if the other side asks for it.
    flush
        When the stream has ended, until something of what is left is taken.
    whole
        When the stream has ended, at most.
    waiting
        Cues that wait at most; those beyond are kept in the file.
    """

    first: float = 0.5
    most: float = 30.0
    asked: float = 300.0
    flush: float = 15.0
    whole: float = 60.0
    waiting: int = 10_000


class _OutOfTime(Exception):
    """The stream has ended, and so has the time for what is left of it."""


class Delivery:
    """A thread that hands cues to a sink, again and again until they are taken.

    Parameters
    ----------
    name
        Of the sink, as it is told.
    sink
        Used by the thread alone.
    kept
        Where cues go that are not delivered.
    say
        Is told of troubles and their end.
    patience
        How long is waited.

    Attributes
    ----------
    undelivered
        How many cues were not delivered so far.
    """

    def __init__(
        self, name: str, sink: Sink, kept: Kept, say: Tell, patience: Patience = Patience()
    ) -> None:
        self._name, self._sink, self._kept, self._say = name, sink, kept, say
        self._patience = patience
        self._changed = Condition()
        self._waiting: deque[Numbered] = deque()
        self._reached = self._settled = 0  # what is to be told to the sink, and what was
        self._end: int | None = None
        self._over, self._deadline, self._latest = Event(), float("inf"), float("inf")
        self._tried = False  # whether the first that waits may have been taken
        self._failures = self.undelivered = self._said = 0
        self._told = False  # that it does not work
        self._unwritten = ""  # why nothing can be kept
        self._thread = Thread(target=self._run, name="captions", daemon=True)
        self._thread.start()

    @property
    def position(self) -> int:
        """The number under which the other side gets the next cue."""
        return self._sink.position

    @property
    def following(self) -> Next:
        """That number, and whether the next cue may have been taken under it already."""
        return Next(self.position, self._tried)

    def put(self, number: int, cue: Cue) -> None:
        """Take a cue; at once, whatever the sink does."""
        with self._changed:
            full = len(self._waiting) >= self._patience.waiting
            if not full:
                self._waiting.append((number, cue))
                self._changed.notify()
        if full:
            self._keep([(number, cue)])
            self._complain("too many captions wait")

    def reach(self, settled: int) -> None:
        """Note that no cue is to come that begins before so many milliseconds."""
        if not self._sink.timeline:
            return
        with self._changed:
            self._reached = max(self._reached, settled)
            self._changed.notify()

    def finish(self, end: int) -> None:
        """Note that no cue is to come; `wait` for what is left, and then `settle`."""
        with self._changed:
            self._end = end
            self._latest = time.monotonic() + self._patience.whole
            self._hope()
            self._changed.notify()
        self._over.set()

    def wait(self) -> None:
        """Wait, within a bound, until everything is delivered."""
        while self._thread.is_alive() and (left := self._deadline - time.monotonic()) > 0:
            self._thread.join(left)

    def settle(self) -> None:
        """Keep what is not delivered, and say so."""
        with self._changed:
            waiting = dict(self._waiting)
            self._waiting.clear()
        self._keep(sorted({**waiting, **dict(self._sink.held)}.items()))
        with suppress(OSError):
            self._kept.close(self.following)
        if self.undelivered:
            kept = f"kept in '{self._kept.path}', which says how to send it again"
            lost = f"lost: {self._unwritten}"
            self._say(
                f"Not all captions were delivered to {self._name}; the rest ({self.undelivered}) "
                f"is {lost if self._unwritten else kept}."
            )

    def _run(self) -> None:
        try:
            with suppress(_OutOfTime):
                self._work()
        except Exception as failure:  # whatever is wrong with a sink, it is not the stream's
            self._complain(f"{type(failure).__name__}; report this")
        finally:
            self._sink.close()

    def _work(self) -> None:
        """Do what there is to do until there will be nothing more."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._waiting or self._reached > self._settled or self._end is not None
                )
                first = self._waiting[0] if self._waiting else None
                settled, end = self._reached, self._end
            if first:
                self._deliver(*first)
            elif settled > self._settled:
                self._settled = settled
                self._insist(partial(self._sink.reach, settled))
            elif end is not None:
                if self._sink.timeline:
                    self._insist(partial(self._sink.finish, end))
                return

    def _deliver(self, number: int, cue: Cue) -> None:
        self._tried = True
        try:
            self._insist(partial(self._sink.send, number, cue))
        except Refused as why:
            self._keep([(number, cue)])
            self._complain(f"{why}")
        with self._changed:
            if self._waiting and self._waiting[0][0] == number:
                self._waiting.popleft()
                self._tried = False

    def _insist(self, action: Callable[[], None]) -> None:
        """Do something, again and again until it is done; raises Refused, or _OutOfTime."""
        wait = self._patience.first
        while True:
            try:
                action()
            except Again as why:
                self._failures += 1
                if self._failures >= _PATIENT:
                    self._complain(f"{why}")
                self._pause(min(wait, self._longest), why.after)
                wait *= 2
            else:
                return self._recover()

    @property
    def _longest(self) -> float:
        patience = self._patience
        return min(patience.most, patience.flush / 4 if self._over.is_set() else patience.most)

    def _pause(self, seconds: float, asked: float | None) -> None:
        """Wait, but when the stream ends, only as long as the other side asks for."""
        if asked is not None:
            seconds = min(asked, self._patience.asked)
        until = time.monotonic() + seconds
        ending = self._over.is_set()
        self._over.wait(seconds)
        if ending or asked is not None:
            time.sleep(max(0.0, min(until, self._deadline) - time.monotonic()))
        if time.monotonic() >= self._deadline:
            raise _OutOfTime

    def _hope(self) -> None:
        """Wait for what is left as long as something of it is taken now and then."""
        self._deadline = min(self._latest, time.monotonic() + self._patience.flush)

    def _recover(self) -> None:
        self._failures = 0
        if self._over.is_set():
            self._hope()
        if self._told:
            self._told = False
            self._tell(f"{self._name} takes captions again from its caption {self.position} on.")

    def _complain(self, reason: str) -> None:
        """Say once that something is wrong, until it is right again."""
        if not self._told:
            self._told = True
            self._tell(
                f"{self._name} does not take its caption {self.position} ({reason}); captions are "
                "sent again, or kept in a file."
            )

    def _tell(self, sentence: str) -> None:
        if self._said < _SENTENCES:
            self._said += 1
            self._say(sentence)

    def _keep(self, cues: list[Numbered]) -> None:
        self.undelivered += len(cues)
        try:
            self._kept.add(cues)
        except OSError as problem:
            self._unwritten = f"'{self._kept.path}' cannot be written: {problem.strerror}"
