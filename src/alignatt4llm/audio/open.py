"""Names of files, addresses and streams of bytes become containers."""

from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import av
from av.container import InputContainer

from alignatt4llm.errors import UsageError

_ALONE = {"protocol_whitelist": "none"}
"""A stream may come from a stranger: no playlist in it opens files or addresses."""
_NO_LONG_LOOK = {"probesize": "32768", "analyzeduration": "0"}
"""FFmpeg would otherwise read seconds of a live stream before it lets any through."""


def open_media(source: str, stream: BinaryIO | None = None) -> InputContainer:
    """Open a file, an address or a stream of bytes.

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
    try:
        return av.open(
            stream or _address(source), "r", metadata_errors="ignore", options=_options(stream)
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UsageError(
            f"'{source}' cannot be read as audio or video: {reason(error)}. "
            "Check the name, or convert it to WAV first."
        ) from error


def reason(error: Exception) -> str:
    """Return what went wrong, as FFmpeg or the system says it."""
    return str(getattr(error, "strerror", None) or error)


def _options(stream: BinaryIO | None) -> dict[str, str]:
    if stream is None:
        return {}
    return _ALONE if hasattr(stream, "seek") else _ALONE | _NO_LONG_LOOK


def _address(source: str) -> str:
    """Return what FFmpeg takes for just this source, whatever characters are in it."""
    if not _exists(source) and source.startswith("file:"):
        plain = source.removeprefix("file:")
        source = unquote(plain.removeprefix("//")) if plain.startswith("//") else plain
    elif not _exists(source) and "://" in source:
        return source
    _check_file(Path(source))
    return f"file:{Path(source).absolute()}"


def _exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):  # too long for a name
        return False


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; give one audio or video file.")
    if not _exists(str(path)):
        raise UsageError(f"There is no file '{path}'; check the name and the folder.")
    if path.is_file() and path.stat().st_size == 0:
        raise UsageError(f"'{path}' is an empty file; it holds no audio.")
