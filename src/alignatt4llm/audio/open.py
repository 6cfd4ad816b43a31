"""Names of files, addresses and streams of bytes become containers."""

from collections.abc import Generator
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
from av.container import InputContainer

from alignatt4llm.audio.chained import parts, seekable
from alignatt4llm.errors import UsageError
from alignatt4llm.files.named import exists, local

_ALONE = {"protocol_whitelist": "none"}
"""A stream may come from a stranger: no playlist in it opens files or addresses."""
_NO_LONG_LOOK = {"probesize": "32768", "analyzeduration": "0"}
"""FFmpeg would otherwise read seconds of a live stream before it lets any through."""

_UNKNOWN_SIZE = 0x7FFFF000
"""What recorders write at least who cannot know the size of a WAV."""

_LONGEST_PAGE = 65_307
"""Bytes of a page of Ogg at most."""
_LAST_PAGE = b"\x04"
"""The flag of the last page of a stream of Ogg; those below it say that it goes on."""


class Recording(NamedTuple):
    """A container, and what the file says about its end.

    Attributes
    ----------
    endless
        Whether it is left open where it ends, as recorders to pipes do.
    cut
        Whether the last page is not there.
    """

    container: InputContainer
    endless: bool = True
    cut: bool = False


def recordings(source: str, stream: BinaryIO | None = None) -> Generator[Recording, None, None]:
    """Open a file, an address or a stream of bytes; yield one recording, or several in a row.

    What is there under that name is a file, whatever the name looks like; else what has ``://``
    in it is an address.

    Parameters
    ----------
    source
        A path or a URL.
    stream
        Read instead; ``source`` is then only its name.

    Raises
    ------
    UsageError
        If there is no such file, it is a folder or empty, or it is not media.
    """
    if stream is not None:
        options = _ALONE if seekable(stream) else _ALONE | _NO_LONG_LOOK
        for part in parts(stream) if seekable(stream) else [stream]:
            about = _about(part)
            yield Recording(_opened(source, part, options), *about)
        return
    address = _address(source)
    path = Path(address.removeprefix("file:"))
    if address == source or not path.is_file():
        yield Recording(_opened(source, address, {}))
        return
    with _file(path) as file:
        for part in parts(file):
            about = _about(part)
            yield Recording(_opened(source, address if part is file else part, {}), *about)


def _file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {reason(error)}.") from error


def _about(file: BinaryIO) -> tuple[bool, bool]:
    """Return whether a file leaves open where it ends, and whether its end is missing."""
    if not seekable(file):
        return True, False
    at = file.tell()
    head = file.read(8)
    size = int.from_bytes(head[4:], "little")
    file.seek(max(at, file.seek(0, SEEK_END) - _LONGEST_PAGE))
    *_, last = file.read().rpartition(b"OggS\0")
    file.seek(at)
    endless = head.startswith(b"RIFF") and (size == 0 or size >= _UNKNOWN_SIZE)
    return endless, head.startswith(b"OggS") and not last[:1] >= _LAST_PAGE


def _opened(name: str, media: str | BinaryIO, options: dict[str, str]) -> InputContainer:
    try:
        return av.open(media, "r", metadata_errors="ignore", options=options)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UsageError(
            f"'{name}' cannot be read as audio or video: {reason(error)}. "
            "Check the name, or convert it to WAV first."
        ) from error


def reason(error: Exception) -> str:
    """Return what went wrong, as FFmpeg or the system says it."""
    return str(getattr(error, "strerror", None) or error)


def _address(source: str) -> str:
    """Return what FFmpeg takes for just this source, whatever characters are in it."""
    path = local(source)
    if path is None:
        return source
    _check_file(path)
    return f"file:{path.absolute()}"


def _check_file(path: Path) -> None:
    if not exists(str(path)):
        raise UsageError(f"There is no file '{path}'; check the name and the folder.")
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; give one audio or video file.")
    if path.is_file() and path.stat().st_size == 0:
        raise UsageError(f"'{path}' is an empty file; it holds no audio.")
