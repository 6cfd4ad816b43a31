"""Files that hold several recordings, one after the other: one part at a time.

FFmpeg follows what changes inside MP3, AAC, AC-3 and transport streams. In these kinds it reads
on with the decoder of the first part, or stops.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, cast

_HEADERS = {
    b"OggS": re.compile(rb"OggS\0[\x02\x06]"),
    b"fLaC": re.compile(rb"fLaC[\0\x80]\0\0\x22"),
    b"\x1aE\xdf\xa3": re.compile(rb"\x1aE\xdf\xa3.{0,40}?\x42\x82.(?:matroska|webm)", re.DOTALL),
    b"RIFF": re.compile(rb"RIFF.{4}WAVEfmt ", re.DOTALL),
    b"FLV\x01": re.compile(rb"FLV\x01[\x01\x04\x05]\0\0\0\x09"),
}
"""How a recording begins, by what a file begins with."""
_BODY = re.compile(rb"OggS\0[\0\x01\x04\x05]")
"""A page of Ogg that begins no stream; several streams may begin together."""
_LONGEST = 64
"""Bytes of the longest header that is looked for."""


def seekable(file: BinaryIO) -> bool:
    """Whether one can go back in a file."""
    return hasattr(file, "seek") and (not hasattr(file, "seekable") or file.seekable())


def parts(file: BinaryIO) -> Iterator[BinaryIO]:
    """Yield the recordings in a file that can be sought in, each as a file of its own.

    Where the next begins is known only when one has been read; other kinds of files are one part.
    """
    begin: int | None = file.tell()
    header = _HEADERS.get(_head(file))
    if header is None:
        yield file
        return
    while begin is not None:
        part = Part(file, header, begin)
        yield cast(BinaryIO, part)
        begin = part.next()


class Part:
    """A file from where one recording begins to where the next one does.

    Parameters
    ----------
    file
        Holds it; nobody else moves in it meanwhile.
    header
        How a recording begins.
    begin
        Where it begins.
    """

    def __init__(self, file: BinaryIO, header: re.Pattern[bytes], begin: int) -> None:
        self._file, self._header, self._begin = file, header, begin
        self._end: int | None = None
        self._body = begin if not header.pattern.startswith(b"OggS") else None
        self._last, self._last_end = b"", begin
        file.seek(begin)

    def read(self, size: int = -1) -> bytes:
        """Return some bytes; nothing where the next recording begins."""
        at = self._file.tell()
        data = self._file.read(size)
        self._look(at, data)
        return data if self._end is None else data[: max(0, self._end - at)]

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, counted from where it begins."""
        return self._file.seek(offset + (0 if whence else self._begin), whence) - self._begin

    def tell(self) -> int:
        """Return where it stands, counted from where it begins."""
        return self._file.tell() - self._begin

    def next(self) -> int | None:
        """Return where the next recording begins, if there is one; this one is over."""
        self._file.seek(self._last_end)
        while self._end is None and self.read(1 << 20):
            pass
        return self._end

    def _look(self, at: int, data: bytes) -> None:
        """Look for the next header in bytes that stand at a place, and across their beginning."""
        before = self._last if at == self._last_end else b""
        self._last, self._last_end = (before + data)[-_LONGEST:], at + len(data)
        known, at = before + data, at - len(before)
        if self._header.pattern.startswith(b"OggS") and (body := _BODY.search(known)):
            self._body = min(at + body.start(), self._body or at + body.start())
        for found in self._header.finditer(known):
            place = at + found.start()
            if self._body is not None and place > self._body:
                self._end = min(place, self._end or place)
                return


def _head(file: BinaryIO) -> bytes:
    at = file.tell()
    head = file.read(4)
    file.seek(at)
    return head
