"""Recordings by name: a file here, an address that FFmpeg reads, or one that fsspec does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.errors import AlignattError, UsageError, install
from alignatt4llm.files.named import is_file, local
from alignatt4llm.files.writing import status
from alignatt4llm.text.languages import Language

_STORED = ("size", "mtime", "LastModified", "last_modified", "updated", "ETag", "etag")
"""What fsspec's file systems call that which changes with a file."""
_STREAMED = ("http", "https", "ftp", "rtmp", "rtmps", "rtsp", "srt", "udp", "tcp", "hls")
"""Addresses that FFmpeg reads itself; all others are those of fsspec's file systems."""


@contextmanager
def opened(
    source: str, language: Language | None, track: int | None = None, channel: str = "mix"
) -> Iterator[AudioSource]:
    """Open a recording; parameters and errors as for `AudioSource`."""
    if not _stored(source):
        yield AudioSource(source, language=language, track=track, channel=channel)
        return
    with _opened(source) as stream:
        yield AudioSource(source, stream, language=language, track=track, channel=channel)


def identity(source: str) -> list[Any]:
    """Return what changes when a recording does, as far as can be told without reading it.

    It is empty for one that is not there, or of which nothing can be told.
    """
    path = local(source)
    if path is not None:
        found = status(path)
        return [found.st_size, found.st_mtime_ns] if found else []
    if not _stored(source):
        return []
    try:
        system, inside = _system(source)
        about = system.info(inside)
    except Exception:  # whatever a file system raises; it is told when the file is opened
        return []
    return [str(about[key]) for key in _STORED if key in about]


def length(source: str) -> float | None:
    """Return the seconds that a file says it lasts; None if it does not, or is elsewhere."""
    path = local(source)
    if path is None or not is_file(path):
        return None
    try:
        return AudioSource(source).duration
    except AlignattError:
        return None


def has_sound(path: Path) -> bool:
    """Whether a file holds sound by itself; no playlist in it opens anything."""
    try:
        with path.open("rb") as file:
            return next(iter(AudioSource(str(path), file)), None) is not None
    except (AlignattError, OSError):
        return False


def _stored(source: str) -> bool:
    return local(source) is None and source.partition("://")[0].lower() not in _STREAMED


def _system(source: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path within it."""
    try:
        from fsspec.core import url_to_fs

        system, inside = url_to_fs(source)
    except ImportError as error:
        needs = install("fsspec") if error.name == "fsspec" else error
        raise UsageError(f"'{source}' cannot be read without a package for it: {needs}.") from error
    except ValueError as error:
        raise UsageError(f"'{source}' cannot be read: {error}.") from error
    return system, inside


@contextmanager
def _opened(source: str) -> Iterator[Any]:
    system, inside = _system(source)
    try:
        stream = system.open(inside, "rb")
    except FileNotFoundError as error:
        raise UsageError(f"There is no file '{source}'; check the address.") from error
    except Exception as error:  # of whatever kind the file system raises
        raise UsageError(f"'{source}' cannot be read: {error}.") from error
    with stream:
        yield stream
