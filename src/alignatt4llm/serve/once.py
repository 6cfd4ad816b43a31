"""Work in threads that is done once for all who want the same."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

T = TypeVar("T")


class Once(Generic[T]):
    """Keeps what was made last; use in the event loop.

    Parameters
    ----------
    most
        How many things are kept at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[Hashable, asyncio.Future[T]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what belongs to a key; it is made if it is not there, or could not be made."""
        found = self._made.get(key)
        if found is None or (found.done() and (found.cancelled() or found.exception())):
            found = asyncio.ensure_future(run_in_threadpool(make))
        self._made[key] = found
        self._made.move_to_end(key)
        while len(self._made) > self._most:
            self._made.popitem(last=False)
        return await asyncio.shield(found)
