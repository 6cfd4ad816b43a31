"""What bytes begin with: a container or sound with headers, or samples as they are."""

from typing import BinaryIO, cast

from alignatt4llm.audio.chained import seekable

_MARKS = (
    (0, b"RIFF"),  # WAV, AVI
    (0, b"RF64"),
    (0, b"riff"),  # Wave64
    (0, b"OggS"),
    (0, b"fLaC"),
    (0, b"ID3"),
    (0, b"\x1aE\xdf\xa3"),  # Matroska, WebM
    (4, b"ftyp"),  # MP4, M4A, MOV
    (4, b"styp"),
    (4, b"moov"),
    (4, b"mdat"),
    (0, b"FLV\x01"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF, WMA
    (0, b"\x00\x00\x01\xba"),  # MPEG program stream
    (0, b"FORM"),  # AIFF
    (0, b".snd"),
    (0, b"caff"),
    (0, b"\x0b\x77"),  # AC-3
    (0, b"#!AMR"),
    (0, b"wvpk"),
    (0, b"MAC "),
    (0, b"TTA1"),
)
_TS_PACKET = 188
_MP3_RATES = (44_100, 48_000, 32_000)
_MP3_KILOBITS = (
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
"""Of MPEG-2 and 2.5, and of MPEG-1, layer III."""
_HEADER = 6
"""Bytes of a header that tell how long its frame is."""


def is_media(head: bytes) -> bool | None:
    """Whether bytes begin a container or sound with headers; None where more bytes will tell.

    Raw samples are told from it by their first bytes, mostly by five: MP4 is marked from there on.
    """
    answers = [_marked(head, at, mark) for at, mark in _MARKS]
    answers += [_transport(head), _frames(head)]
    return True if True in answers else None if None in answers else False


class Begun:
    """A pipe of which the beginning has been read; it reads like the pipe.

    Attributes
    ----------
    media
        Whether it begins like media, see `is_media`; no more is read than tells.
    """

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe, self._from = pipe, pipe.tell() if seekable(pipe) else None
        self._read = getattr(pipe, "read1", pipe.read)
        self._head = b""
        while (media := is_media(self._head)) is None and (block := self._read(4096)):
            self._head += block
        self.media = bool(media)

    def read(self, size: int = -1) -> bytes:
        """Return some bytes, at most ``size``; nothing at the end."""
        if not self._head:
            return self._read(size)
        taken = self._head[:size] if size >= 0 else self._head
        self._head = self._head[len(taken) :]
        return taken

    def whole(self) -> BinaryIO:
        """Return all of it: the pipe itself, from where it began, if it is a file in truth."""
        if self._from is None:
            return cast(BinaryIO, self)
        self._pipe.seek(self._from)
        return self._pipe


def _marked(head: bytes, at: int, mark: bytes) -> bool | None:
    found = head[at : at + len(mark)]
    if found == mark:
        return True
    return None if mark.startswith(found) else False


def _transport(head: bytes) -> bool | None:
    """Whether these are packets of an MPEG transport stream."""
    syncs = head[: 2 * _TS_PACKET + 1 : _TS_PACKET]
    if set(syncs) - {0x47}:
        return False
    return True if len(syncs) == 3 else None


def _frames(head: bytes) -> bool | None:
    """Whether these are frames of ADTS or MP3: a header, and another where its frame ends."""
    if not b"\xff".startswith(head[:1]):
        return False
    if len(head) < _HEADER:
        return None
    length = _adts(head) or _mp3(head)
    again = head[length : length + 2]
    if not length or len(again) == 2:
        return bool(length) and again == head[:2]
    return None


def _adts(header: bytes) -> int:
    """Return the bytes of a frame of AAC, 0 if this is none."""
    length = int.from_bytes(header[3:6], "big") >> 5 & 0x1FFF
    return length if header[1] & 0xF6 == 0xF0 and length >= _HEADER else 0


def _mp3(header: bytes) -> int:
    """Return the bytes of a frame of MPEG layer III, 0 if this is none."""
    version, kilobits, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if header[1] & 0xE6 != 0xE2 or version == 1 or kilobits in {0, 15} or rate == 3:
        return 0
    first = version == 3
    halved = _MP3_RATES[rate] >> (0 if first else 1 if version == 2 else 2)
    bits = _MP3_KILOBITS[first][kilobits] * 1000
    return (144 if first else 72) * bits // halved + (header[2] >> 1 & 1)
