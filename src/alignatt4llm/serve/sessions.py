"""One session on the server: bytes in from any thread, events out to a broadcast."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Thread
from typing import Any

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.delays import peak_memory_mb
from alignatt4llm.errors import AlignattError
from alignatt4llm.events import Close, Commit, End, Event, Notice, Source, TargetState
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.schedule.feeder import Feeder, run
from alignatt4llm.schedule.watch import Watch
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.captioning import Captioning
from alignatt4llm.serve.errors import (
    BadAudio,
    EngineFailed,
    Farewell,
    Refused,
    TooLong,
    Unkept,
)
from alignatt4llm.serve.incoming import Container, Incoming, Raw
from alignatt4llm.serve.lifecycle import Life, State
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.metrics import Metrics
from alignatt4llm.serve.pasts import Pasts
from alignatt4llm.serve.pipe import Pipe
from alignatt4llm.serve.spoken import Spoken
from alignatt4llm.serve.steps import Busy, Steps, Watched
from alignatt4llm.serve.targets import Targets
from alignatt4llm.serve.telling import Telling
from alignatt4llm.session import Session
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.stream import Stream
from alignatt4llm.text.languages import LANGUAGES, Pair

BYTES_PER_SECOND = 2 * SAMPLE_RATE
_JOINED = 6.0
"""Seconds of late audio joined into one chunk at most; while it is translated and the backlog is
full nothing is read from the connection, not even pings."""

log = logging.getLogger(__name__)


class Abandoned(Exception):
    """The session was over before its thread was."""


class LiveSession:
    """A session with threads of its own: one that waits for what the others hear and translate.

    Parameters
    ----------
    interpreter
        Opens what hears and what translates.
    broadcast
        Where events go.
    past
        Where its stream stands if it is continued.
    start
        Sample of the stream at which audio begins.
    limits, metrics, steps, captioning
        Of the server.

    Attributes
    ----------
    received
        Bytes of audio taken so far. Raw audio counts them from the beginning of the stream, a
        container from its own.
    life
        Where it stands; nothing is published once it is over.
    targets
        What it is translated into.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        broadcast: Broadcast,
        past: Pasts,
        start: int,
        limits: Limits,
        metrics: Metrics,
        steps: Steps,
        captioning: Captioning | None = None,
    ) -> None:
        self.broadcast = broadcast
        self.header = broadcast.journal.header
        self._source = LANGUAGES[self.header["from"]]
        self._alone = self.header["version"] == 1
        self.life = Life()
        self._raw = self.header["audio"] == "s16le"
        self.received = 2 * start if self._raw else 0
        self._interpreter = interpreter
        self._past = past
        self._start = self._taken = self._heard = start
        self._spoken = Spoken(broadcast.journal, past.words, start)
        self._limits = limits
        self._metrics = metrics
        self._steps = steps
        name = f"{self.id}-{start}" if start else self.id  # numbers begin anew
        began = time.time() - start / SAMPLE_RATE
        self._captions = (captioning or Captioning()).stream(name, self._source, began)
        self._telling = Telling(broadcast, self._captions, self._alone, past.behind)
        self._pipe = Pipe(int(limits.backlog * BYTES_PER_SECOND))
        self._busy, self._counted = Busy(), 0.0
        self._timeline: Watched | None = None
        self.targets = Targets(
            past, self._opened, self._tell, self._unopened, self._changed, self.life.lock
        )
        self._when_over: Callable[[], None] = lambda: None
        self._thread = Thread(target=self._run, name=f"session-{self.id[:6]}", daemon=True)

    @property
    def id(self) -> str:
        """Its public name."""
        return str(self.header["session"])

    @property
    def places(self) -> int:
        """How many places it takes: one for each language, and one at least."""
        return max(1, len(self.targets.codes))

    @property
    def codes(self) -> tuple[str, ...]:
        """The languages that it is translated into."""
        return tuple(self.targets.codes)

    def start(self, when_over: Callable[[], None]) -> None:
        """Begin; ``when_over`` is called from any thread when the session is over."""
        self._when_over = when_over
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.life.state is State.OVER

    def offer(self, data: bytes) -> bool:
        """Take more audio, or none of it while too much waits."""
        if not self._pipe.offer(data):
            return False
        self.received += len(data)
        self.life.touch()
        return True

    def finish(self, why: Farewell | None = None) -> None:
        """Say that there is no more audio: what was received is translated to its end."""
        if self.life.end(why):
            self._pipe.close()

    def suspend(self, why: Farewell) -> None:
        """Translate what was received and stop there, to be continued later from its journal."""
        if self.life.pause(why):
            self._pipe.close()

    def stop(self, why: Farewell | None = None) -> None:
        """Be over at once, wherever the thread is."""
        if self.life.stop(why):
            self._pipe.close()
            problem = self.life.problem
            self._metrics.ended.labels(problem.code if problem else "end").inc()
            self._when_over()
            self.broadcast.wake()

    def missing(self, position: int) -> int:
        """Return the bytes of raw audio before a position that have not been received."""
        if not self._raw or position <= self.received:
            return 0
        return (position + 1) // 2 * 2 - self.received

    def keep(self) -> None:
        """See to what waits to be written; be over if another server goes on with the session.

        A client that could not come back meanwhile is waited for anew.
        """
        journal = self.broadcast.journal
        before = journal.trouble
        self._telling.keep()
        if before and not journal.trouble:
            self.life.touch()
        if journal.problem:
            self.stop(journal.problem)

    def leave(self, why: Farewell | None = None) -> None:
        """Finish, since the client is gone or silent; but while it could not come back, suspend."""
        trouble = self.broadcast.journal.trouble
        self.suspend(Unkept(trouble)) if trouble else self.finish(why)

    def check_length(self) -> None:
        """End the session if it has become too long."""
        if self._heard > self._limits.session * SAMPLE_RATE:
            self.finish(TooLong(f"Sessions end after {self._limits.session:g} s of audio."))

    def add(self, pair: Pair, from_start: bool) -> None:
        """Translate into another language from now on; raise Refused if that cannot be."""
        with self.life.lock:
            if self._alone or self.life.state not in (State.WAITING, State.ATTACHED):
                raise Refused("No language can be added any more.")
            self.targets.add(pair.target.code, from_start, self._heard / SAMPLE_RATE)

    def drop(self, to: str) -> None:
        """End a language; raise Refused if that cannot be."""
        self.targets.drop(to, self._heard / SAMPLE_RATE)

    def status(self) -> dict[str, Any]:
        """Return where the session stands, as told to clients."""
        consumed = self._taken / SAMPLE_RATE
        heard = max((self._taken - self._start) / SAMPLE_RATE, 1e-9)
        behind = self.targets.lags(self._heard)
        waits = max(0.0, self._lag() - max(behind.values(), default=0) / SAMPLE_RATE)
        lags = {to: round(waits + count / SAMPLE_RATE, 3) for to, count in behind.items()}
        return {
            "type": "status",
            "received": self.received,
            "settled": 2 * self._spoken.settled if self._raw else self.received,
            "audio_s": round(consumed, 3),
            "lag_s": round(self._lag(), 3),
            "rtf": float(f"{self._busy.seconds / heard:.3g}") if heard > 1 else 0.0,
            **({} if self._alone else {"lags": lags}),
            **self.broadcast.audience.told(consumed),
        }

    def _lag(self) -> float:
        """Seconds of audio received and not yet translated."""
        if self._raw:
            return max(0.0, self.received / BYTES_PER_SECOND - self._taken / SAMPLE_RATE)
        waiting = self._pipe.waiting
        heard = (self._taken - self._start) / SAMPLE_RATE
        return waiting / max(1, self.received - waiting) * heard

    def _run(self) -> None:
        """Translate; when the session is over, its thread still sees to its captions."""
        with closing(self._captions):
            self._live()

    def _live(self) -> None:
        problem: Farewell | None = EngineFailed("The session ended with an error.")
        try:
            with closing(self._open()) as stream:
                self._translate(stream)
            self.broadcast.journal.settle(self._patience)
            problem = None
        except Abandoned:
            log.warning("session %s was over before its engine came back", self.id)
        except BadAudio as bad:  # unless its container was cut because the server is stopped
            problem = None if self.life.state is State.PAUSING else bad
        except Farewell as farewell:
            problem = farewell
        except Exception as failure:
            log.exception("session %s failed", self.id)
            problem = EngineFailed(f"The session ended with an error. {_reason(failure)}")
        finally:
            self.targets.close()
            self.stop(problem)

    @property
    def _patience(self) -> float:
        """Seconds in which all that was said must be kept at the end."""
        pausing = self.life.state is State.PAUSING  # then its client can have it said again
        return self._limits.drain / 2 if pausing else self._limits.resume

    def _open(self) -> Stream:
        with self._steps.step():
            stream = self._interpreter.stream(self._source, (), self.header["latency"])
        stream.restore(self._past.words, self._past.opened, self._start, self._past.wall)
        self._spoken.words = stream.words
        try:
            self.targets.begin(stream, self._start)
        except BaseException:
            stream.close()
            raise
        return stream

    def _opened(self, to: str, stream: Stream) -> Session:
        """Open a target of the stream."""
        pair = Pair(self._source, LANGUAGES[to])
        with self._steps.step():
            return self._interpreter.open(
                pair, self.header["latency"], recognizer=stream.recognizer
            )

    def _translate(self, stream: Stream) -> None:
        incoming: Incoming = Raw(self._pipe) if self._raw else Container(self._pipe)
        timeline = self._timeline = Watched(
            lambda: self._stepped(stream),
            self._arriving(incoming),
            lambda: incoming.ready,
            _JOINED,
            self._working,
        )
        chunk = LATENCIES[self.header["latency"]].chunk
        watch = Watch(self._source, self._told(incoming), self._start)
        feeder = Feeder(
            stream, chunk, longest=_JOINED, finishes=lambda: self._finishes(incoming), watch=watch
        )
        with timeline:
            for event in run(feeder, timeline):
                self._publish(event)
        if self._finishes(incoming) and self.life.state is not State.PAUSING:
            self._end(stream)

    def _arriving(self, incoming: Incoming) -> Iterator[Samples]:
        """Yield what comes in; where it ends, all languages that were added are there."""
        yield from incoming
        if self.life.state is not State.PAUSING:
            self.targets.settle()

    def _end(self, stream: Stream) -> None:
        """Say that the stream has ended, and whatever target has not yet."""
        audio, wall = stream.samples / SAMPLE_RATE, stream.wall
        with self.life.lock:
            for to in tuple(self.targets.codes):
                self.targets.ended(to, audio)
            self._publish(End(audio, wall, wall / audio if audio else 0.0, peak_memory_mb()))

    def _told(self, incoming: Incoming) -> Callable[[], Sequence[Notice]]:
        """Return what tells of the sound and of where captions go."""
        return lambda: [*incoming.notices, *self._captions.notices]

    def _finishes(self, incoming: Incoming) -> bool:
        """Whether the stream has come to its end, and not only its audio."""
        pausing = self._raw and self.life.state is State.PAUSING
        return not (pausing or incoming.failed)

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Mark and time a bit of work inside an engine."""
        with self._busy.inside(), self._steps.step():
            yield

    def _stepped(self, stream: Stream) -> None:
        """Account for audio that has been translated, by the slowest."""
        self._heard = stream.samples
        slowest = max(self.targets.lags(self._heard).values(), default=0)
        before, self._taken = self._taken, max(self._taken, self._heard - slowest)
        if fresh := self._taken - before:
            busy = self._busy.seconds
            self._metrics.rtf.observe((busy - self._counted) * SAMPLE_RATE / fresh)
            self._metrics.lag.observe(self._lag())
            self._counted = busy
        self.broadcast.wake()

    def _publish(self, event: Event) -> None:
        with self.life.lock:
            if self.over:
                raise Abandoned
            if isinstance(event, End) and event.to:
                if self.life.state is not State.PAUSING:  # then it is continued elsewhere
                    self._part(event.to, event.audio_s)
                return
            self._note(event)
            self._telling.say(event)
        self._metrics.count(event)
        if problem := self.broadcast.journal.problem:
            raise problem

    def _part(self, to: str, clock: float) -> None:
        """Note that a language has ended; the session ends with the last of them."""
        self.targets.ended(to, clock)
        if not self.targets.codes:
            self.finish()

    def _unopened(self, to: str, problem: Exception) -> None:
        """Say why a language that was added could not be opened, and end it."""
        said = f"No session into {LANGUAGES[to].name} could be opened. {_reason(problem)}"
        clock = self._heard / SAMPLE_RATE
        with self.life.lock:
            if not self.over:
                self._telling.say(Notice("unopened", said, clock))
                self._part(to, clock)

    def _tell(self, turn: TargetState) -> None:
        """Publish what happens to a target."""
        if not self.over:
            self._note(turn)
            self._telling.say(turn)

    def _changed(self) -> None:
        if self._timeline:
            self._timeline.wake()

    def _note(self, event: Event) -> None:
        """Write down what a server needs to continue after being killed."""
        if isinstance(event, Source):
            self._spoken.hear(event)
        elif isinstance(event, TargetState):
            self._spoken.keep()  # a target begins, and ends, with words that are kept
        elif isinstance(event, Commit | Close):
            self.targets.note(event)


def _reason(problem: Exception) -> str:
    """Return what clients are told of an error."""
    return str(problem) if isinstance(problem, AlignattError) else "See the server's log."
