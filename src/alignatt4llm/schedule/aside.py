"""Slow work beside an event loop, one step at a time."""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import ExitStack, closing
from queue import SimpleQueue
from threading import RLock, Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")

END: Any = object()
"""What comes after the last step."""


class Aside(Generic[T]):
    """Takes the steps of a generator in a thread of its own, which works only when it is asked.

    Parameters
    ----------
    steps
        Does the work; it is closed by that thread.
    name
        Of the thread.
    then
        Called by it at its end.

    Attributes
    ----------
    over
        Is done when the thread is; it holds what went wrong while the generator was closed.
    """

    def __init__(
        self,
        steps: Generator[T, None, None],
        name: str,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        self._steps, self._then = steps, then
        self._asked: SimpleQueue[Future[T] | None] = SimpleQueue()
        self._left = False
        self._guard = RLock()  # a signal handler may leave
        self.over: Future[None] = Future()
        Thread(target=self._work, name=name, daemon=True).start()

    def ask(self) -> Future[T]:
        """Return what the next step will bring: an item, an error, or END."""
        future: Future[T] = Future()
        with self._guard:
            if self._left:
                future.set_result(END)
            else:
                self._asked.put(future)
        return future

    def leave(self) -> None:
        """Close the generator after the step in progress; any thread may call it."""
        with self._guard:
            self._left = True
            self._asked.put(None)

    def _work(self) -> None:
        try:
            with ExitStack() as stack:
                stack.callback(self._then)
                stack.enter_context(closing(self._steps))
                while (future := self._asked.get()) is not None:
                    if future.set_running_or_notify_cancel():
                        self._step(future)
        except BaseException as problem:
            self.over.set_exception(problem)
        else:
            self.over.set_result(None)

    def _step(self, future: Future[T]) -> None:
        try:
            future.set_result(next(self._steps, END))
        except BaseException as problem:
            future.set_exception(problem)
