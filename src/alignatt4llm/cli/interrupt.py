"""Ctrl-C that never falls between a decision and its being written down."""

import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Self, TypeVar

T = TypeVar("T")


class Interrupt:
    """While entered, Ctrl-C ends iteration over `until_asked` after the step in progress.

    While the next item is waited for, it ends at once; a second Ctrl-C raises KeyboardInterrupt
    wherever the program is.

    Parameters
    ----------
    stop
        Ends the source of the items, whose last ones are then still yielded.
    """

    def __init__(self, stop: Callable[[], None] | None = None) -> None:
        self.asked = False
        self._stop = stop
        self._waiting = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def until_asked(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items until there are no more or Ctrl-C is pressed."""
        source = iter(items)
        while self._stop or not self.asked:
            try:
                self._waiting = True
                item = next(source)
            except (StopIteration, KeyboardInterrupt):
                return
            finally:
                self._waiting = False
            yield item

    def _ask(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if again or (self._waiting and not self._stop):
            raise KeyboardInterrupt
        if self._stop:
            self._stop()
