"""Bytes on their way from a connection to the thread that translates them."""

from threading import Condition


class Pipe:
    """A bounded queue of bytes that reads like a file.

    Parameters
    ----------
    size
        Bytes waiting at most.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._data = bytearray()
        self._closed = False
        self._changed = Condition()

    def offer(self, data: bytes) -> bool:
        """Take all of the bytes, or none when too many wait already or it is closed."""
        with self._changed:
            full = self._data and len(self._data) + len(data) > self._size
            if full or self._closed:
                return False
            self._data += data
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """Say that nothing more comes; what waits can still be read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def read(self, size: int = -1) -> bytes:
        """Return some bytes, at most ``size``; wait for the first; nothing at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._data or self._closed)
            taken = bytes(self._data[:size] if size >= 0 else self._data)
            del self._data[: len(taken)]
            return taken

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them; wait until there are so many."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._data) >= size or self._closed)
            return bytes(self._data[:size])

    @property
    def waiting(self) -> int:
        """Bytes that can be read now."""
        with self._changed:
            return len(self._data)
