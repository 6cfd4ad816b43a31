"""What an event loop brings, for threads."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from concurrent.futures import CancelledError, Future
from inspect import iscoroutinefunction
from threading import RLock
from typing import Any, Protocol, TypeVar

from alignatt4llm.errors import AlignattError

T = TypeVar("T")

_END: Any = object()
_PIECE = 1 << 16
"""Bytes that are read at most at once."""


class Awaited(Iterator[T]):
    """Waits in a thread for each item of an async iterable; the event loop goes on meanwhile.

    Make it in the event loop.

    Parameters
    ----------
    items
        Asked for one item at a time, and for none before it is wanted.
    """

    def __init__(self, items: AsyncIterable[T]) -> None:
        self._items = aiter(items)
        self._loop = asyncio.get_running_loop()
        self._alone = asyncio.Lock()
        self._guard = RLock()  # a signal handler may close it
        self._waiting: Future[T] | None = None
        self._closed = False

    def __next__(self) -> T:
        """Return the next item; wait in any thread but that of the loop.

        Raises
        ------
        AlignattError
            If what brings it was cancelled, and not by `close`.
        """
        with self._guard:
            if self._closed:
                raise StopIteration
            self._waiting = asyncio.run_coroutine_threadsafe(self._one(), self._loop)
        try:
            item = self._waiting.result()
        except CancelledError as problem:
            if not self._closed:
                raise AlignattError("What brings the audio was cancelled.") from problem
            raise StopIteration from None
        if item is _END:
            raise StopIteration
        return item

    def close(self) -> None:
        """End it, also while a thread waits for an item; any thread may call it."""
        with self._guard:
            self._closed = True
            if self._waiting:
                self._waiting.cancel()

    async def aclose(self) -> None:
        """End it, and an async generator with it, once it does nothing any more."""
        self.close()
        if isinstance(self._items, AsyncGenerator):
            async with self._alone:
                await self._items.aclose()

    async def _one(self) -> T:
        async with self._alone:
            return await anext(self._items, _END)


class AsyncFile(Protocol):
    """An asynchronous file or stream of bytes."""

    async def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes; nothing at the end."""
        ...


def reads(source: Any) -> bool:
    """Whether a source is an asynchronous file or stream of bytes."""
    return iscoroutinefunction(getattr(source, "read", None))


async def pieces(file: AsyncFile) -> AsyncGenerator[bytes, None]:
    """Yield what an asynchronous file or stream of bytes brings, as it comes."""
    while piece := await file.read(_PIECE):
        yield piece
