"""The folder of journals. A long one takes seconds to read, so all work is done in threads."""

import asyncio
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from alignatt4llm.serve.errors import UnknownSession
from alignatt4llm.serve.journal import Journal, journal_path, read_header, remove_older
from alignatt4llm.serve.pasts import Pasts


class Shelf:
    """Makes journals and finds them again.

    Parameters
    ----------
    folder
        Where they are.

    Attributes
    ----------
    turn
        Held while a journal is read: one at a time leaves the event loop its share.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.turn = asyncio.Lock()

    async def create(self, header: dict[str, Any]) -> Journal:
        """Begin the journal of a session."""
        path = self._folder / f"{header['session']}.jsonl"
        return await run_in_threadpool(Journal.create, path, header)

    async def header(self, session: str) -> dict[str, Any]:
        """Read what a session was started with.

        Raises
        ------
        UnknownSession
            If there is none under this name that this version wrote; so do the following.
        """
        return await run_in_threadpool(read_header, self._path(session))

    async def journal(self, session: str) -> Journal:
        """Open a journal that nobody writes to."""
        return await run_in_threadpool(Journal, self._path(session))

    async def past(self, session: str) -> tuple[Journal, Pasts]:
        """Open a journal that nobody writes to, and read all of it."""
        journal = await self.journal(session)
        return journal, await run_in_threadpool(journal.past)

    async def tidy(self, seconds: float) -> None:
        """Delete the journals that have not changed for so long."""
        await run_in_threadpool(remove_older, self._folder, seconds)

    def _path(self, session: str) -> Path:
        path = journal_path(self._folder, session)
        if path is None or not path.is_file():
            raise UnknownSession("There is no such session here, or no longer.")
        return path
