"""When the recogniser and the translator run: strictly in turn, overlapping, or on their own.

One loop serves every regime, live and simulated. It knows two workers, each of which does one
thing at a time; a `Timeline` says when work is done and when audio arrives. Given no time to wait
for, every regime does the same steps and commits the same text.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from heapq import heappop, heappush
from itertools import count
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Any, Protocol

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import Event
from alignatt4llm.session import Heard, Session

PIECE = 0.1
"""Seconds of audio that arrive at once where the recogniser waits for no whole chunk."""


@dataclass(frozen=True, slots=True)
class Regime:
    """Who may run when.

    Attributes
    ----------
    overlaps
        Whether the recogniser may run while the translator does.
    cadence
        Whether the recogniser waits for a whole chunk of audio; else it takes whatever is there.
    """

    overlaps: bool
    cadence: bool


REGIMES = {
    "alternating": Regime(overlaps=False, cadence=True),
    "overlapping": Regime(overlaps=True, cadence=True),
    "asynchronous": Regime(overlaps=True, cadence=False),
}
"""Recogniser and translator strictly in turn; the recogniser at a fixed pace while the translator
works on what came before; both as fast as they can, always on the newest audio and source."""


class Work(Enum):
    """What a worker does."""

    RECOGNISE = "recognise"
    TRANSLATE = "translate"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Arrived:
    """Audio that came in; None at its end."""

    samples: Samples | None


@dataclass(frozen=True, slots=True)
class Done:
    """Work that is done, and what came of it."""

    work: Work
    result: Any


News = Arrived | Done


class Timeline(Protocol):
    """Runs work beside the loop and says what happens next."""

    def start(self, work: Work, call: Callable[[], Any]) -> None:
        """Begin work."""
        ...

    def next(self) -> list[News]:
        """Wait, and return everything that has happened; an error in the work is raised here."""
        ...


def run(
    session: Session,
    timeline: Timeline,
    regime: Regime,
    chunk: float,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Translate a stream to its end and yield its events.

    Whoever is late takes everything that has come in meanwhile: audio is joined, and the
    translator sees the newest source only.

    Parameters
    ----------
    session
        What listens and translates.
    timeline
        Brings the audio and runs the work.
    regime
        Who may run when.
    chunk
        Seconds of audio per step, where the regime has a cadence.
    stopped
        Once it says so, nothing is begun any more; what is being done is done to its end.
    """
    state = _State(regime, round(chunk * SAMPLE_RATE) if regime.cadence else 1)
    while not state.finished:
        if stopped():
            if not state.running:
                return
            yield from state.take(timeline.next())
            continue
        if (audio := state.audio_due()) is not None:
            state.running.add(Work.RECOGNISE)
            timeline.start(Work.RECOGNISE, lambda audio=audio: session.listen(audio))  # type: ignore[misc]
        if heard := state.source_due():
            state.running.add(Work.TRANSLATE)
            timeline.start(Work.TRANSLATE, lambda heard=heard: list(session.translate(heard)))  # type: ignore[misc]
        if state.all_done():
            state.running.add(Work.FINISH)
            timeline.start(Work.FINISH, lambda: list(session.finish()))
        yield from state.take(timeline.next())


@dataclass(slots=True)
class _State:
    """What waits for whom."""

    regime: Regime
    chunk: int
    audio: list[Samples] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    running: set[Work] = field(default_factory=set)
    ended: bool = False
    finished: bool = False

    def audio_due(self) -> Samples | None:
        """Take the audio that the recogniser should hear now, if it should."""
        busy = Work.RECOGNISE in self.running
        waits = not self.regime.overlaps and (self.heard or Work.TRANSLATE in self.running)
        waiting = sum(map(len, self.audio))
        if busy or waits or not waiting or (waiting < self.chunk and not self.ended):
            return None
        samples = np.concatenate(self.audio)
        whole = len(samples) if self.ended else waiting // self.chunk * self.chunk
        self.audio = [samples[whole:]]
        return samples[:whole]

    def source_due(self) -> list[Heard]:
        """Take what the translator should see now, if it should see anything."""
        if Work.TRANSLATE in self.running:
            return []
        heard, self.heard = self.heard, []
        return heard

    def all_done(self) -> bool:
        """Whether only the end is left to do."""
        return self.ended and not self.running and not any(map(len, self.audio))

    def take(self, news: Iterable[News]) -> Iterator[Event]:
        """Take in what happened and yield the events of it."""
        for item in news:
            yield from self._take(item)

    def _take(self, news: News) -> list[Event]:
        if isinstance(news, Arrived):
            if news.samples is None:
                self.ended = True
            else:
                self.audio.append(news.samples)
            return []
        self.running.discard(news.work)
        if news.work is Work.RECOGNISE:
            self.heard.append(news.result)
            return []
        self.finished = news.work is Work.FINISH
        events: list[Event] = news.result
        return events


class SimulatedTimeline:
    """A timeline on which time passes only as told: for tests, and to compare regimes.

    Parameters
    ----------
    audio
        Pieces of audio; each arrives when its last sample has been heard.
    takes
        Seconds of each kind of work, one after the other; the last is repeated.

    Attributes
    ----------
    now
        Seconds since the stream began; give it to the session as its clock.
    log
        Start and end of everything that was done.
    """

    def __init__(
        self, audio: Iterable[Samples], takes: Mapping[Work, float | Iterable[float]]
    ) -> None:
        self.now = 0.0
        self.log: list[tuple[Work, float, float]] = []
        self._takes = {
            work: iter(given) if isinstance(given, Iterable) else iter([given])
            for work, given in takes.items()
        }
        self._last: dict[Work, float] = {}
        self._order = count()
        self._due: list[tuple[int, int, Callable[[], News]]] = []  # microseconds
        samples = 0
        for piece in audio:
            samples += len(piece)
            self._at(samples / SAMPLE_RATE, lambda piece=piece: Arrived(piece))  # type: ignore[misc]
        self._at(samples / SAMPLE_RATE, lambda: Arrived(None))

    def start(self, work: Work, call: Callable[[], Any]) -> None:
        """Do the work when its time is over."""
        self._last[work] = next(self._takes.get(work, iter(())), self._last.get(work, 0.0))
        end = round(self.now + self._last[work], 6)
        self.log.append((work, self.now, end))
        self._at(end, lambda: Done(work, call()))

    def next(self) -> list[News]:
        """Move the clock to what happens next."""
        time = self._due[0][0]
        self.now = time / 1e6
        news = []
        while self._due and self._due[0][0] == time:
            _, _, happens = heappop(self._due)
            news.append(happens())
        return news

    def _at(self, time: float, happens: Callable[[], News]) -> None:
        heappush(self._due, (round(time * 1e6), next(self._order), happens))


class LiveTimeline:
    """Threads that do the work while audio arrives; use it in a ``with`` block.

    Parameters
    ----------
    audio
        Pieces of audio, as they arrive.
    """

    def __init__(self, audio: Iterable[Samples]) -> None:
        self._audio = audio
        self._news: SimpleQueue[News | BaseException] = SimpleQueue()
        self._workers = ThreadPoolExecutor(2, "alignatt")
        self._left = Flag()

    def __enter__(self) -> "LiveTimeline":
        Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()
        self._workers.shutdown(cancel_futures=True)

    def start(self, work: Work, call: Callable[[], Any]) -> None:
        """Do the work in a thread."""

        def do() -> None:
            try:
                self._news.put(Done(work, call()))
            except BaseException as problem:
                self._news.put(problem)

        self._workers.submit(do)

    def next(self) -> list[News]:
        """Wait for what happens next."""
        news = [self._news.get()]
        while not self._news.empty():
            news.append(self._news.get())
        for problem in news:
            if isinstance(problem, BaseException):
                raise problem
        return [item for item in news if not isinstance(item, BaseException)]

    def _read(self) -> None:
        try:
            for samples in self._audio:
                if self._left.is_set():
                    return
                self._news.put(Arrived(samples))
            self._news.put(Arrived(None))
        except BaseException as problem:
            self._news.put(problem)
