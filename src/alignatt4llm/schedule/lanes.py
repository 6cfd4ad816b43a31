"""Work in threads, one for the recogniser and one a target; audio is taken when it is of use."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Any, Self

from alignatt4llm.audio.samples import Samples
from alignatt4llm.schedule.timelines import (
    Arrived,
    Broken,
    Call,
    Came,
    Done,
    Failed,
    News,
    Pulled,
    Work,
    lazily,
)

_END: Any = object()
_STOP = Arrived(None)
"""The end of the audio for those who stop it; whoever reads it may still wait for more."""
_Task = tuple[Work, Call, str]


class Left(Exception):
    """Nobody wants the news any more."""


class Lanes:
    """A timeline for sources that can wait; use it in a ``with`` block.

    A lane does one thing after another in a thread of its own, so that what a library keeps for a
    thread is kept for a target.

    Parameters
    ----------
    audio, ready, longest
        As for `Pulled`.
    doing
        Entered around every bit of work, from any thread.
    waits
        Whether the block ends only when every lane does; otherwise nobody waits for a lane that
        does not come back.
    """

    def __init__(
        self,
        audio: Iterable[Samples],
        ready: Callable[[], bool] = lambda: False,
        longest: float = 0.0,
        doing: Callable[[], AbstractContextManager[object]] = nullcontext,
        waits: bool = False,
    ) -> None:
        self._audio = Pulled(audio, ready, longest)
        self._doing, self._waits = doing, waits
        self._news: SimpleQueue[list[News]] = SimpleQueue()
        self._lanes: dict[str, SimpleQueue[_Task | None]] = {}
        self._threads: list[Thread] = []
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._asks = False
        self._left = Flag()
        self._problem: BaseException | None = None
        self._reader = Thread(target=self._read, name="audio", daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()
        self._asked.put(False)
        for lane in self._lanes.values():
            lane.put(None)
        if not self._asks:  # else it may wait for audio that never comes
            self._reader.join()
        for thread in self._threads if self._waits else ():
            thread.join()
        if self._problem:
            raise self._problem

    def start(self, work: Work, call: Call, to: str = "") -> None:
        """Do the work in the lane of its target, up to what comes next once the block is left."""
        if to not in self._lanes:
            lane: SimpleQueue[_Task | None] = SimpleQueue()
            self._lanes[to] = lane
            thread = Thread(target=self._work, args=(lane,), name=f"lane-{to}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._lanes[to].put((work, call, to))

    def next(self, hungry: bool = True) -> list[News]:
        """Wait for what happens next, and return everything that has.

        Raises
        ------
        Left
            If somebody has called `leave`.
        """
        if hungry and not self._asks:
            self._asks = True
            self._asked.put(True)
        news = self._news.get()
        while not self._news.empty():
            news += self._news.get()
        if self._left.is_set():
            raise Left
        if any(isinstance(item, Arrived | Broken) and item is not _STOP for item in news):
            self._asks = False
        return news

    def wake(self) -> None:
        """Have something looked at that has changed; any thread may call it."""
        self._news.put([])

    def leave(self) -> None:
        """Have nobody wait for news any more; any thread may call it."""
        self._left.set()
        self.wake()

    def stop(self) -> None:
        """Take no more audio; a signal handler may call it."""
        self._news.put([_STOP])

    def _read(self) -> None:
        """Take audio as often as it is asked for; what its end raises is raised by the block's."""
        try:
            with self._audio:
                while self._asked.get():
                    self._take()
        except BaseException as problem:
            self._problem = problem

    def _take(self) -> None:
        try:
            self._news.put(self._audio.next())
        except BaseException as problem:
            self._news.put([Broken(problem)])

    def _work(self, lane: SimpleQueue[_Task | None]) -> None:
        """Do what comes into a lane."""
        while (task := lane.get()) is not None:
            work, _, to = task
            try:
                done = self._do(*task)
            except BaseException as problem:
                self._news.put([Failed(work, problem, to)])
            else:
                self._news.put([Done(work, to)] if done else [])

    def _do(self, work: Work, call: Call, to: str) -> bool:
        """Do one thing, and tell what comes of it; return whether it came to its end."""
        items = lazily(call)
        while not self._left.is_set():
            with self._doing():
                item = next(items, _END)
            if item is _END:
                return True
            self._news.put([Came(work, item, to)])
        return False
