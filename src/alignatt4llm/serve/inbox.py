"""What a client sends, read ahead while it waits: so it is seen whether it is still there."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

_MOST = 16
"""Messages that are read ahead at most; a client that waits sends hardly any."""


class Inbox:
    """The messages of one WebSocket, in order.

    Parameters
    ----------
    socket
        Nobody else receives from it.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._ahead: deque[MutableMapping[str, Any]] = deque()

    async def next(self) -> MutableMapping[str, Any]:
        """Return the next message, or that the client is gone."""
        return self._ahead.popleft() if self._ahead else await self._socket.receive()

    @asynccontextmanager
    async def reading_ahead(self) -> AsyncIterator[None]:
        """Read ahead in the block, so that `check` knows."""
        reading = asyncio.ensure_future(self._read())
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def check(self) -> None:
        """Raise WebSocketDisconnect if the client was seen to leave."""
        if self._ahead and self._ahead[-1]["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(self._ahead[-1].get("code", 1006))

    async def _read(self) -> None:
        while len(self._ahead) < _MOST:
            self._ahead.append(await self._socket.receive())
