"""What a session says, encoded once for all who read the same language along."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from alignatt4llm.events import Source
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.frames import heading, heard, numbered
from alignatt4llm.serve.once import Once
from alignatt4llm.text.languages import Language

PAGE = 256
"""Events that are read at once; those who catch up meet at its multiples."""
_KEPT = 16
"""Stretches of the journal that are kept encoded."""


class Feed:
    """The events of one broadcast for its listeners, each of whom only has a position in it.

    Nothing waits for a listener or is kept for one. Use in the event loop; only `wake` may be
    called from any thread.

    Parameters
    ----------
    broadcast
        What is read.

    Attributes
    ----------
    fresh
        Is set, and replaced, when there may be more than there was before.
    readers
        How many listen.
    """

    def __init__(self, broadcast: Broadcast) -> None:
        self.broadcast = broadcast
        self._loop = asyncio.get_running_loop()
        self._stretches = Once[bytes](_KEPT)
        self._heard = (0, b"")
        self._heading: tuple[Sequence[Language], bytes] = (), b""
        self._shared: ExitStack | None = None
        self.readers = 0
        self.fresh = asyncio.Event()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Take part in the feed; it is woken as long as somebody does."""
        self.readers += 1
        if self._shared is None:
            self._shared = ExitStack()
            self._shared.enter_context(self.broadcast.woken(self.wake))
        try:
            yield
        finally:
            self.readers -= 1
            if not self.readers:
                self._shared.close()
                self._shared = None

    def wake(self) -> None:
        """Note that there may be something new."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._turn)

    def heading(self) -> bytes:
        """Return what there is to know of the session now."""
        targets = self.broadcast.journal.targets
        if targets != self._heading[0]:
            self._heading = targets, heading(self.broadcast.journal)
        return self._heading[1]

    async def after(self, seq: int, target: Language) -> tuple[bytes, int]:
        """Return events after a number, and the number of the last; call again for more."""
        end = min((seq // PAGE + 1) * PAGE, self.broadcast.journal.last)
        if end <= seq:
            return b"", seq
        stretch = target.code, seq, end
        return await self._stretches.get(stretch, lambda: self._encoded(seq, end, target)), end

    def heard(self, seen: int) -> tuple[bytes, int]:
        """Return what is heard now, if that is newer than what was seen, and its version."""
        version, line = self.broadcast.newest(Source.type).get("", (0, ""))
        if version <= seen:
            return b"", seen
        if version > self._heard[0]:
            self._heard = version, heard(line, self.broadcast.journal.source)
        return self._heard[1], version

    def _encoded(self, seq: int, end: int, target: Language) -> bytes:
        return numbered(self.broadcast.journal.since(seq)[: end - seq], target)

    def _turn(self) -> None:
        before, self.fresh = self.fresh, asyncio.Event()
        before.set()


class Place:
    """Where one listener stands in a feed.

    Parameters
    ----------
    feed
        What is read.
    target
        The language that is read.
    seq
        Number of the last event that is known.
    """

    def __init__(self, feed: Feed, target: Language, seq: int) -> None:
        self._feed, self._target, self._seq = feed, target, seq
        self._version = 0
        self._heading = b""

    async def news(self) -> AsyncIterator[bytes]:
        """Yield what is new, encoded."""
        told = self._feed.heading()
        if told != self._heading:
            self._heading = told
            yield told
        async for data in self._said():
            yield data
        data, self._version = self._feed.heard(self._version)
        if data:
            yield data

    async def _said(self) -> AsyncIterator[bytes]:
        while True:
            data, last = await self._feed.after(self._seq, self._target)
            if last <= self._seq:
                return
            self._seq = last
            if data:
                yield data
