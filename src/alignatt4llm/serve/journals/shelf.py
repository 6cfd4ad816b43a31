"""The journals for the event loop: a long one takes seconds to read, so threads do all the work."""

import asyncio
from typing import Any

from starlette.concurrency import run_in_threadpool

from alignatt4llm.serve.journals.base import Log, Store
from alignatt4llm.serve.journals.journal import Journal
from alignatt4llm.serve.journals.records import check_header
from alignatt4llm.serve.pasts import Pasts


class Shelf:
    """Makes journals and finds them again; what cannot be done raises what `Store` says.

    Parameters
    ----------
    store
        Where they are.

    Attributes
    ----------
    turn
        Held while a journal is read: one at a time leaves the event loop its share.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.turn = asyncio.Lock()

    async def create(self, header: dict[str, Any]) -> Journal:
        """Begin the journal of a session."""
        return await run_in_threadpool(lambda: Journal(self._store.create(header), owned=True))

    async def header(self, session: str) -> dict[str, Any]:
        """Read what a session was started with."""
        return await run_in_threadpool(self._header, session)

    async def journal(self, session: str) -> Journal:
        """Open a journal to be read."""
        return await run_in_threadpool(lambda: Journal(self._open(session)))

    async def past(self, session: str) -> tuple[Journal, Pasts]:
        """Open a journal and read all of it."""
        return await run_in_threadpool(self._past, session)

    async def tidy(self) -> None:
        """Delete the journals that have not changed for too long."""
        await run_in_threadpool(self._store.tidy)

    def _header(self, session: str) -> dict[str, Any]:
        header = self._store.header(session)
        check_header(header)
        return header

    def _open(self, session: str) -> Log:
        log = self._store.open(session)
        check_header(log.header)
        return log

    def _past(self, session: str) -> tuple[Journal, Pasts]:
        log = self._open(session)
        past = Pasts(log.header["to"])
        return Journal(log, past), past
