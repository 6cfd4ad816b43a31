"""One session on the server: bytes in from any thread, events out to a broadcast."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import AlignattError
from alignatt4llm.events import Close, Event, Source
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.errors import BadAudio, EngineFailed, EngineStuck, Farewell, TooLong
from alignatt4llm.serve.incoming import Container, Incoming, Raw
from alignatt4llm.serve.journal import Past
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.metrics import Metrics
from alignatt4llm.serve.pipe import Pipe
from alignatt4llm.session import Session
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair

BYTES_PER_SECOND = 2 * SAMPLE_RATE
_JOINED = 6.0
"""Seconds of late audio joined into one chunk at most; while it is translated and the backlog is
full nothing is read from the connection, not even pings."""
_CERTAIN = 5.0
"""Seconds after which audio in which nothing was recognised holds no words."""

log = logging.getLogger(__name__)


class Abandoned(Exception):
    """The session was given up while its thread was inside an engine."""


class LiveSession:
    """A session with a thread of its own.

    Parameters
    ----------
    interpreter
        Opens the session.
    broadcast
        Where events go.
    past
        Its header, and what was said if it is continued.
    start
        Sample of the stream at which audio begins.
    limits, metrics
        Of the server.

    Attributes
    ----------
    received
        Bytes of audio taken so far. Raw audio counts them from the beginning of the stream, a
        container from its own.
    problem
        Why it ended early, or None.
    over
        Whether it has ended; nothing is published after that.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        broadcast: Broadcast,
        past: Past,
        start: int,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self.broadcast = broadcast
        self.header = past.header
        self.problem: Farewell | None = None
        self.over = False
        self._active = time.monotonic()
        self._raw = self.header["audio"] == "s16le"
        self.received = 2 * start if self._raw else 0
        self._interpreter = interpreter
        self._past = past
        self._start = self._taken = start
        self._settled = start
        self._heard = len(past.heard)
        self._limits = limits
        self._metrics = metrics
        self._pipe = Pipe(int(limits.backlog * BYTES_PER_SECOND))
        self._finishing = True
        self._lock = Lock()
        self._busy = 0.0
        self._step_began: float | None = None
        self._when_over: Callable[[], None] = lambda: None
        self._thread = Thread(target=self._run, name=f"session-{self.id[:6]}", daemon=True)

    @property
    def id(self) -> str:
        """Its public name."""
        return str(self.header["session"])

    def start(self, when_over: Callable[[], None]) -> None:
        """Begin; ``when_over`` is called from any thread when the session is over."""
        self._when_over = when_over
        self._thread.start()

    def offer(self, data: bytes) -> bool:
        """Take more audio, or none of it while too much waits."""
        if not self._pipe.offer(data):
            return False
        self.received += len(data)
        self.touch()
        return True

    def touch(self) -> None:
        """Note that the client is there."""
        self._active = time.monotonic()

    @property
    def idle(self) -> float:
        """Seconds since audio came, or since its client came or went."""
        return time.monotonic() - self._active

    def finish(self, why: Farewell | None = None) -> None:
        """Say that there is no more audio: what was received is translated to its end."""
        self.problem = self.problem or why
        self._pipe.close()

    def suspend(self, why: Farewell) -> None:
        """Translate what was received and stop there, to be continued later from its journal."""
        self.problem = self.problem or why
        self._finishing = False
        self._pipe.close()

    def missing(self, position: int) -> int:
        """Return the bytes of raw audio before a position that have not been received."""
        return max(0, position // 2 * 2 - self.received) if self._raw else 0

    def check(self, now: float) -> None:
        """End the session if its engine does not come back or it has become too long."""
        began = self._step_began
        if began is not None and now - began > self._limits.step:
            self._abandon(
                EngineStuck(f"A chunk took more than {self._limits.step:g} s; the session ended.")
            )
        elif self._taken > self._limits.session * SAMPLE_RATE and not self.over:
            self.finish(TooLong(f"Sessions end after {self._limits.session:g} s of audio."))

    def status(self) -> dict[str, Any]:
        """Return where the session stands, as told to clients."""
        consumed = self._taken / SAMPLE_RATE
        heard = max((self._taken - self._start) / SAMPLE_RATE, 1e-9)
        return {
            "type": "status",
            "received": self.received,
            "settled": 2 * self._settled if self._raw else self.received,
            "audio_s": round(consumed, 3),
            "lag_s": round(self._lag(), 3),
            "rtf": round(self._busy / heard, 3) if heard > 1 else 0.0,
        }

    def _lag(self) -> float:
        """Seconds of audio received and not yet translated."""
        if self._raw:
            return max(0.0, self.received / BYTES_PER_SECOND - self._taken / SAMPLE_RATE)
        waiting = self._pipe.waiting
        heard = (self._taken - self._start) / SAMPLE_RATE
        return waiting / max(1, self.received - waiting) * heard

    def _run(self) -> None:
        session = None
        try:
            with self._step():
                session = self._interpreter.open(
                    Pair.parse(self.header["pair"]), self.header["latency"]
                )
                session.restore(self._past.said, self._past.heard, self._start)
            for chunk in self._chunks():
                self._feed(session, chunk)
            if self._finishing:
                with self._step():
                    self._publish(session.finish())
            self._finish_thread(None)
        except Abandoned:
            log.warning("session %s: the engine came back after it was given up", self.id)
        except BadAudio as problem:
            self._finish_thread(problem)
        except Exception as problem:
            log.exception("session %s failed", self.id)
            said = str(problem) if isinstance(problem, AlignattError) else "See the server's log."
            self._finish_thread(EngineFailed(f"The session ended with an error. {said}"))
        finally:
            if session is not None:
                session.close()

    def _feed(self, session: Session, chunk: Samples) -> None:
        began = time.monotonic()
        with self._step():
            self._publish(session.feed(chunk))
        self._taken += len(chunk)
        taken = time.monotonic() - began
        self._busy += taken
        self._metrics.rtf.observe(taken * SAMPLE_RATE / len(chunk))
        self._metrics.lag.observe(self._lag())
        self.broadcast.wake()

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Mark the time during which the thread is inside an engine."""
        self._step_began = time.monotonic()
        try:
            yield
        finally:
            self._step_began = None

    def _chunks(self) -> Iterator[Samples]:
        """Yield whole chunks, several at once when late, and the rest at the end."""
        size = round(LATENCIES[self.header["latency"]].chunk * SAMPLE_RATE)
        most = int(_JOINED * SAMPLE_RATE) // size * size
        waiting = np.zeros(0, np.float32)
        incoming: Incoming = Raw(self._pipe) if self._raw else Container(self._pipe)
        for block in incoming:
            waiting = np.concatenate([waiting, block])
            while len(waiting) >= size and (not incoming.ready or len(waiting) >= most):
                count = min(len(waiting) // size * size, most)
                yield waiting[:count]
                waiting = waiting[count:]
        if len(waiting) and self._finishing:
            yield waiting

    def _publish(self, events: Iterable[Event]) -> None:
        for event in events:
            with self._lock:
                if self.over:
                    raise Abandoned
                self._note(event)
                self.broadcast.publish(event)
            self._metrics.count(event)

    def _note(self, event: Event) -> None:
        """Write down what a server needs to continue after being killed."""
        if isinstance(event, Source):
            fresh = list(event.committed[self._heard :])
            self._heard = len(event.committed)
            if fresh:
                self._settled = max(self._settled, round(fresh[-1].end * SAMPLE_RATE))
                self.broadcast.journal.hear(fresh, self._settled)
            elif not event.tail:
                certain = round((event.audio_s - _CERTAIN) * SAMPLE_RATE)
                self._settled = max(self._settled, certain)
        elif isinstance(event, Close):
            self._heard -= len(event.source.split())

    def _abandon(self, problem: Farewell) -> None:
        with self._lock:
            if self.over:
                return
            self.problem, self.over = problem, True
        self._leave()

    def _finish_thread(self, problem: Farewell | None) -> None:
        with self._lock:
            if self.over:
                return
            self.problem = problem or self.problem
            self.over = True
        self._leave()

    def _leave(self) -> None:
        self._pipe.close()
        self._metrics.ended.labels(self.problem.code if self.problem else "end").inc()
        self._when_over()
        self.broadcast.wake()
