"""What is read along: one broadcast a session, whether it is spoken here or on another server."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakValueDictionary

from starlette.concurrency import run_in_threadpool

from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.errors import ServeError
from alignatt4llm.serve.journals.shelf import Shelf

_LOOK = 0.25
"""Seconds between two looks at what another server has written."""

log = logging.getLogger(__name__)


class Readings:
    """The broadcasts that somebody reads or writes here; use in the event loop.

    Parameters
    ----------
    shelf
        The journals.
    is_running
        Tells whether a broadcast is that of a session that runs here.
    """

    def __init__(self, shelf: Shelf, is_running: Callable[[Broadcast], bool]) -> None:
        self._shelf, self._is_running = shelf, is_running
        self._known: WeakValueDictionary[str, Broadcast] = WeakValueDictionary()

    def put(self, session: str, broadcast: Broadcast) -> None:
        """Note the broadcast of a session that runs here from now on."""
        before = self._known.get(session)
        self._known[session] = broadcast
        if before is not None:
            before.wake()  # who listens to it sees that it is no longer current

    async def get(self, session: str) -> Broadcast:
        """Return what a session says or has said, as far as it is written now."""
        if (found := self._known.get(session)) is None:
            async with self._shelf.turn:
                found = self._known.get(session)  # somebody else may just have read it
                if found is None:
                    journal = await self._shelf.journal(session)
                    return self._known.setdefault(session, Broadcast(journal))
        await self._look(found)
        return found

    async def check(self, session: str) -> None:
        """Raise UnknownSession if there is none under this name."""
        if self._known.get(session) is None:
            await self._shelf.header(session)

    def is_current(self, broadcast: Broadcast) -> bool:
        """Whether a broadcast is still that of its session; one that is resumed has a new one."""
        return self._known.get(broadcast.journal.header["session"]) is broadcast

    async def follow(self) -> None:
        """Follow what is written elsewhere of all that somebody listens to, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            for broadcast in list(self._known.values()):
                if broadcast.heeded:
                    try:
                        with suppress(ServeError):  # it may be there again at the next look
                            await self._look(broadcast)
                    except Exception:
                        log.exception("a session that runs elsewhere could not be followed")

    async def _look(self, broadcast: Broadcast) -> None:
        if not (broadcast.journal.ended or self._is_running(broadcast)):
            await run_in_threadpool(broadcast.look)
