"""Rows on their way from vLLM's workers to whoever asked, beside vLLM's own messages.

They are sent as soon as a step is computed, so that nobody has to wait for the next one to end.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import msgspec
import numpy as np
import torch
import zmq
import zmq.asyncio
from numpy.typing import NDArray
from torch import Tensor

from alignatt4llm.draft import Rows
from alignatt4llm.errors import AlignattError
from alignatt4llm.translators.vllm.ledger import Part

PATIENCE = 30.0
"""Seconds that rows may take longer than the tokens of their step."""

Row = NDArray[np.float32]
"""Attention of one position, shape [H, S]."""
Letter = tuple[str, int, int, tuple[int, ...], bytes]
"""Key, worker, first position, shape [T, H, S] and float32 rows."""


class Outbox:
    """Sends a worker's rows in a thread of its own: no step waits for a copy or a socket.

    Parameters
    ----------
    worker
        Number of the worker.
    device
        Where its rows are.
    """

    def __init__(self, worker: int, device: torch.device) -> None:
        self._worker, self._device = worker, device
        self._queue: SimpleQueue[tuple[Sequence[Part], Sequence[Tensor], Any] | None] = (
            SimpleQueue()
        )
        Thread(target=self._serve, name="rows", daemon=True).start()

    def send(self, parts: Sequence[Part], rows: Sequence[Tensor]) -> None:
        """Send the rows [T, H, S] of each part of a step."""
        copied = None
        if self._device.type != "cpu":
            rows = [
                torch.empty(row.shape, pin_memory=True).copy_(row, non_blocking=True)
                for row in rows
            ]
            copied = torch.Event(self._device)
            copied.record()
        self._queue.put((parts, rows, copied))

    def close(self) -> None:
        """Send what is left, and no more."""
        self._queue.put(None)

    def _serve(self) -> None:
        sockets: dict[str, zmq.Socket[bytes]] = {}
        while (step := self._queue.get()) is not None:
            parts, rows, copied = step
            if copied is not None:
                copied.synchronize()
            letters: dict[str, list[Letter]] = {}
            for part, row in zip(parts, rows, strict=True):
                wanted, raw = part.wanted, row.numpy().tobytes()
                letter = wanted.key, self._worker, part.begin, tuple(row.shape), raw
                letters.setdefault(wanted.to, []).append(letter)
            for address, together in letters.items():
                if address not in sockets:
                    sockets[address] = zmq.Context.instance().socket(zmq.PUSH)
                    sockets[address].set_hwm(0)
                    sockets[address].connect(address)
                sockets[address].send(msgspec.msgpack.encode(together))
        for socket in sockets.values():
            socket.close(linger=0)


class Inbox:
    """Takes in rows, in the event loop in which it is made.

    Parameters
    ----------
    workers
        How many there are; each sends rows of its own heads.

    Attributes
    ----------
    address
        Where to send them.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._expected: dict[str, Arriving] = {}
        self._folder = TemporaryDirectory(prefix="alignatt-")
        self.address = f"ipc://{self._folder.name}/rows"
        self._socket = zmq.asyncio.Context.instance().socket(zmq.PULL)
        self._socket.bind(self.address)
        self._task = asyncio.create_task(self._serve())

    @contextmanager
    def expecting(self, key: str) -> Iterator["Arriving"]:
        """Take in what is sent under a key; what comes later is dropped."""
        self._expected[key] = arriving = Arriving(self._workers)
        try:
            yield arriving
        finally:
            del self._expected[key]

    def close(self) -> None:
        """Take in no more."""
        self._task.cancel()
        self._socket.close(linger=0)
        self._folder.cleanup()

    async def _serve(self) -> None:
        while True:
            for key, worker, begin, rows in opened(await self._socket.recv()):
                if key in self._expected:
                    self._expected[key].put(worker, begin, rows)


class Arriving:
    """Rows of one request, as they come from several workers."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._parts: dict[int, dict[int, Row]] = {}  # by position and worker
        self._news = asyncio.Event()

    def put(self, worker: int, begin: int, rows: Rows) -> None:
        """Take in a worker's rows from a position on; a step that is repeated brings them again."""
        for position, row in enumerate(rows, begin):
            self._parts.setdefault(position, {})[worker] = row
        self._news.set()

    async def take(self, positions: range) -> Rows:
        """Return the rows of some positions, shape [T, H, S], once they are there.

        Raises
        ------
        AlignattError
            If they do not come.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while self._missing(positions):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as problem:
            position = self._missing(positions)[0]
            raise AlignattError(f"vLLM's workers sent no row for position {position}.") from problem
        return np.stack([sum(self._parts.pop(position).values()) for position in positions])

    def _missing(self, positions: range) -> list[int]:
        return [at for at in positions if len(self._parts.get(at, ())) < self._workers]


def opened(message: bytes) -> Iterator[tuple[str, int, int, Rows]]:
    """Yield key, worker, first position and rows of each letter in a message."""
    for key, worker, begin, shape, raw in msgspec.msgpack.decode(message, type=list[Letter]):
        yield key, worker, begin, np.frombuffer(raw, np.float32).reshape(shape)
