"""Timelines on which work is really done: in the caller's thread, or in threads beside it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event as Flag
from threading import Semaphore, Thread
from typing import Self

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.schedule.timeline import Arrived, Call, Done, Ended, Failed, News, Told, Work

_AHEAD = 6.0
"""Seconds of late audio taken from a source at once, at most."""


class Pushed:
    """Work in the thread of whoever asks for what happens next, on audio that is pushed."""

    def __init__(self) -> None:
        self._news: deque[News] = deque()
        self._work: deque[Iterator[News]] = deque()

    def push(self, news: News) -> None:
        """Say that audio came in, or ended."""
        self._news.append(news)

    def start(self, work: Work, call: Call) -> None:
        """Put the work last in the row."""
        self._work.append(_done(work, call))

    def next(self) -> Sequence[News]:
        """Go on with the work until something comes of it; then return what was pushed."""
        while self._work:
            if news := next(self._work[0], None):
                return [news]
            self._work.popleft()
        return self._arrivals()

    def _arrivals(self) -> Sequence[News]:
        news = list(self._news)
        self._news.clear()
        return news


class InTurn(Pushed):
    """Work in the thread of whoever asks; audio is taken when there is nothing else to do.

    Parameters
    ----------
    audio
        Blocks of samples.
    ready
        Whether another block is there without waiting; it is then late.
    """

    def __init__(
        self, audio: Iterable[Samples], ready: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__()
        self._audio = _arriving(audio)
        self._ready = ready

    def _arrivals(self) -> Sequence[News]:
        news, samples = [next(self._audio)], 0
        while isinstance(news[-1], Arrived):
            samples += len(news[-1].samples)
            if samples >= _AHEAD * SAMPLE_RATE or not self._ready():
                break
            news.append(next(self._audio))
        return news


class LiveTimeline:
    """Threads that do the work while audio arrives; use it in a ``with`` block.

    Parameters
    ----------
    audio
        Blocks of samples.
    live
        Whether the audio is taken as it arrives. Else a block is taken only when nothing else is
        to be done, as when a recording is translated faster than it plays.
    """

    def __init__(self, audio: Iterable[Samples], live: bool = True) -> None:
        self._audio = audio
        self._live = live
        self._wanted = Semaphore(0)
        self._running = 0
        self._news: SimpleQueue[News] = SimpleQueue()
        self._workers = ThreadPoolExecutor(2, "alignatt")
        self._left = Flag()

    def __enter__(self) -> Self:
        Thread(target=self._read, name="audio", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()
        self._wanted.release()
        self._workers.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """End the audio now; a signal handler may say so."""
        self._news.put(Ended())

    def start(self, work: Work, call: Call) -> None:
        """Do the work in a thread."""
        self._running += 1
        self._workers.submit(self._do, work, call)

    def next(self) -> Sequence[News]:
        """Wait for what happens next."""
        if not self._running:
            self._wanted.release()
        news = [self._news.get()]
        while not self._news.empty():
            news.append(self._news.get())
        self._running -= sum(isinstance(item, Done | Failed) for item in news)
        return news

    def _do(self, work: Work, call: Call) -> None:
        for news in _done(work, call):
            self._news.put(news)
            if self._left.is_set():
                return

    def _read(self) -> None:
        arriving = _arriving(self._audio)
        while not self._left.is_set():
            if not self._live:
                self._wanted.acquire()
            self._news.put(news := next(arriving))
            if isinstance(news, Ended):
                return


def _done(work: Work, call: Call) -> Iterator[News]:
    """Do the work and tell what comes of it, as it comes."""
    try:
        yield from map(Told, call())
    except Exception as problem:
        yield Failed(work, problem)
    else:
        yield Done(work)


def _arriving(audio: Iterable[Samples]) -> Iterator[News]:
    """Yield blocks of audio and their end, or what broke them off."""
    try:
        yield from map(Arrived, audio)
    except Exception as problem:
        yield Ended(problem)
    else:
        yield Ended()
