"""Clients that break: raw connections to the audio door that end wherever one likes."""

import asyncio
import json
import socket
import struct

_UPGRADE = (
    b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_UNMASKED = bytes(4)
FAREWELL = b"\x88\x80" + _UNMASKED
"""The frame that closes."""


def frame(message):
    """A frame of a client; its mask is zero."""
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    kind = 0x82 if isinstance(message, bytes) else 0x81
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([kind]) + size + _UNMASKED + data


class Breaking:
    """A connection that is about to break; use it as an asynchronous context."""

    def __init__(self, port):
        self._port = port

    async def __aenter__(self):
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_):
        self._writer.transport.abort()

    def write(self, data):
        self._writer.write(data)

    async def upgrade(self, cut=None):
        self.write(_UPGRADE[:cut])
        if cut is None:
            await self._reader.readuntil(b"\r\n\r\n")

    def say(self, message, cut=None):
        self.write(frame(message)[:cut])

    async def hear(self):
        """The next message, or None when there is none any more."""
        try:
            head = await self._reader.readexactly(2)
            size = head[1]
            if size == 126:
                size = int.from_bytes(await self._reader.readexactly(2), "big")
            data = await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return json.loads(data) if head[0] == 0x81 else None

    def half_close(self):
        self._writer.write_eof()

    def reset(self):
        """End with a reset instead of a farewell."""
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        self._writer.transport.abort()
