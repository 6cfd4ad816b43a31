"""When audio arrives and when work is done: at once, in threads, or on a clock that is told."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush
from itertools import count
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Any, Protocol, Self

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples

PIECE = 0.1
"""Seconds of audio that arrive at once from a source that plays."""


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
class Broken:
    """The source of the audio raised an error; no more comes."""

    problem: BaseException


@dataclass(frozen=True, slots=True)
class Came:
    """Something that came of work in progress; ``to`` is the target that it is done for."""

    work: Work
    item: Any
    to: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """Work that is done."""

    work: Work
    to: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Work that ended with an error; other work may still be in progress."""

    work: Work
    problem: BaseException
    to: str = ""


News = Arrived | Broken | Came | Done | Failed

Call = Callable[[], Iterable[Any]]
"""Work to be done; it is done while what comes of it is iterated over."""


class Timeline(Protocol):
    """Brings audio and does work: one item at a time for the recogniser, and for each target."""

    def start(self, work: Work, call: Call, to: str = "") -> None:
        """Begin work for a target, or for all of them."""
        ...

    def next(self, hungry: bool = True) -> list[News]:
        """Wait, and return what has happened; an error in the work is raised or told.

        ``hungry`` says whether audio would be heard at once, for those who can let it wait.
        """
        ...


class Inline:
    """Does the work in the caller's thread while it asks for the next news; has no audio.

    Parameters
    ----------
    doing
        Entered around every bit of work.
    """

    def __init__(self, doing: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        self._doing = doing
        self._due: deque[tuple[Work, str, Iterator[Any]]] = deque()

    @property
    def busy(self) -> bool:
        """Whether there is work to be done."""
        return bool(self._due)

    def start(self, work: Work, call: Call, to: str = "") -> None:
        """Note the work."""
        self._due.append((work, to, lazily(call)))

    def next(self, hungry: bool = True) -> list[News]:
        """Do the next bit of the work that was begun first."""
        work, to, items = self._due[0]
        with self._doing():
            for item in items:
                return [Came(work, item, to)]
        self._due.popleft()
        return [Done(work, to)]


class Pulled(Inline):
    """Takes audio when there is nothing else to do; a ``with`` block leaves the source at its end.

    Parameters
    ----------
    audio
        Pieces of audio.
    ready
        Whether the next piece is there without waiting; then it is taken as well.
    longest
        Seconds of audio after which no more is taken at once.
    doing
        As for `Inline`.
    """

    def __init__(
        self,
        audio: Iterable[Samples],
        ready: Callable[[], bool] = lambda: False,
        longest: float = 0.0,
        doing: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        super().__init__(doing)
        self._audio = iter(audio)
        self._ready = ready
        self._most = round(longest * SAMPLE_RATE)
        self._stopped = self._waiting = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if isinstance(self._audio, Generator):
            self._audio.close()

    def next(self, hungry: bool = True) -> list[News]:
        """Do some work, or take some audio."""
        if self.busy:
            return super().next()
        news, taken = [self._arrived()], 0
        while isinstance(last := news[-1], Arrived) and last.samples is not None:
            taken += len(last.samples)
            if taken >= self._most or not self._ready():
                break
            news.append(self._arrived())
        return news

    def stop(self) -> None:
        """Take no more audio; a signal handler may call it, also while audio is waited for."""
        self._stopped = True
        if self._waiting:
            raise KeyboardInterrupt

    def _arrived(self) -> News:
        try:
            self._waiting = True
            return Arrived(None if self._stopped else next(self._audio, None))
        except KeyboardInterrupt:
            if not self._stopped:
                raise
            return Arrived(None)
        except Exception as problem:
            return Broken(problem)
        finally:
            self._waiting = False


class LiveTimeline:
    """A thread that reads audio as it arrives, and others for the work; use it in a ``with`` block.

    Parameters
    ----------
    audio
        Pieces of audio, as they arrive.
    targets
        How many targets there are.
    """

    def __init__(self, audio: Iterable[Samples], targets: int = 1) -> None:
        self._audio = audio
        self._news: SimpleQueue[News] = SimpleQueue()
        self._workers = ThreadPoolExecutor(1 + targets, "alignatt")
        self._stopped, self._left = Flag(), Flag()

    def __enter__(self) -> Self:
        Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._left.set()
        self._workers.shutdown(cancel_futures=True)

    def start(self, work: Work, call: Call, to: str = "") -> None:
        """Do the work in a thread, up to what comes of it next once the block is left."""

        def do() -> None:
            try:
                for item in call():
                    self._news.put(Came(work, item, to))
                    if self._left.is_set():
                        return
                self._news.put(Done(work, to))
            except BaseException as problem:
                self._news.put(Failed(work, problem, to))

        self._workers.submit(do)

    def next(self, hungry: bool = True) -> list[News]:
        """Wait for what happens next, and return everything that has."""
        news = [self._news.get()]
        while not self._news.empty():
            news.append(self._news.get())
        return news

    def stop(self) -> None:
        """Take no more audio; a signal handler may call it."""
        self._stopped.set()
        self._news.put(Arrived(None))

    def _read(self) -> None:
        try:
            for samples in self._audio:
                if self._stopped.is_set():
                    return
                self._news.put(Arrived(samples))
            self._news.put(Arrived(None))
        except BaseException as problem:
            self._news.put(Broken(problem))


class SimulatedTimeline:
    """A timeline on which time passes only as told: for tests, and to compare regimes.

    Parameters
    ----------
    audio
        Pieces of audio; each arrives when its last sample has been heard.
    takes
        Seconds of each kind of work, or of that for one target, one after the other; the last is
        repeated.

    Attributes
    ----------
    now
        Seconds since the stream began; give it to the session as its clock.
    log
        Start and end of everything that was done.
    """

    def __init__(
        self,
        audio: Iterable[Samples],
        takes: Mapping[Work | tuple[Work, str], float | Iterable[float]],
    ) -> None:
        self.now = 0.0
        self.log: list[tuple[Work, float, float]] = []
        self._takes = {
            work: iter(given) if isinstance(given, Iterable) else iter([given])
            for work, given in takes.items()
        }
        self._last: dict[tuple[Work, str], float] = {}
        self._order = count()
        self._due: list[tuple[int, int, Callable[[], list[News]]]] = []  # microseconds
        self._audio = iter(audio)
        self._samples = 0
        self._listen()

    def start(self, work: Work, call: Call, to: str = "") -> None:
        """Do the work when its time is over."""
        takes = self._takes.get((work, to), self._takes.get(work, iter(())))
        self._last[work, to] = next(takes, self._last.get((work, to), 0.0))
        self._took(work, to, self._last[work, to], lambda: list(call()))

    def next(self, hungry: bool = True) -> list[News]:
        """Move the clock to what happens next."""
        time = self._due[0][0]
        self.now = time / 1e6
        news: list[News] = []
        while self._due and self._due[0][0] == time:
            _, _, happens = heappop(self._due)
            news += happens()
        return news

    def _took(self, work: Work, to: str, seconds: float, items: Callable[[], list[Any]]) -> None:
        """Let work that begins now be done after some seconds."""
        end = round(self.now + seconds, 6)
        self.log.append((work, self.now, end))
        self._at(end, lambda: [*(Came(work, item, to) for item in items()), Done(work, to)])

    def _listen(self) -> None:
        """Let the next piece of audio arrive when it has been heard."""
        piece = next(self._audio, None)
        self._samples += len(piece) if piece is not None else 0

        def arrives() -> list[News]:
            if piece is not None:
                self._listen()
            return [Arrived(piece)]

        self._at(self._samples / SAMPLE_RATE, arrives)

    def _at(self, time: float, happens: Callable[[], list[News]]) -> None:
        heappush(self._due, (round(time * 1e6), next(self._order), happens))


class MeasuredTimeline(SimulatedTimeline):
    """Audio in real time, work that takes as long as it took: a live run without the waiting.

    Parameters
    ----------
    audio
        As for `SimulatedTimeline`.
    wall
        Clock of the machine, in seconds.
    """

    def __init__(
        self, audio: Iterable[Samples], wall: Callable[[], float] = time.perf_counter
    ) -> None:
        super().__init__(audio, {})
        self._wall = wall
        self._began: float | None = None

    def start(self, work: Work, call: Call, to: str = "") -> None:
        """Do the work now; it is done when the time that it took has passed."""
        self._began = self._wall()
        items = list(call())
        took, self._began = self._wall() - self._began, None
        self._took(work, to, took, lambda: items)

    def clock(self) -> float:
        """Seconds since the stream began, also while work is being done."""
        return self.now + (self._wall() - self._began if self._began is not None else 0.0)


def lazily(call: Call) -> Iterator[Any]:
    """Return what comes of work that begins when the first of it is asked for."""
    yield from call()
