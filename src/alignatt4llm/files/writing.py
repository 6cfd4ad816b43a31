"""Files that are written: whole or not at all, or by whole records."""

import os
import re
import secrets
import shutil
import stat
from contextlib import suppress
from io import FileIO
from pathlib import Path

from alignatt4llm.errors import UsageError

_STREAM = re.compile(r"/dev/std(out|err)|(?:/dev|/proc/self)/fd/(\d+)")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all; devices and pipes take it as it comes.

    Raises
    ------
    UsageError
        If it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if os.access(path.absolute().parent, os.W_OK) and not is_stream(path):
            _replace(Path(os.path.realpath(path)), data)
        else:
            file = Records(path)
            file.append(data)
            file.close()
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written: {error.strerror}.") from error


def is_stream(path: Path) -> bool:
    """Whether a path is a device, a pipe or a stream of this process, which nothing overwrites."""
    found = status(path)
    special = found and not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode)
    return bool(special) or _STREAM.fullmatch(str(path)) is not None


def status(path: Path) -> os.stat_result | None:
    """Return what is known of a file, links followed; None if there is none of that name."""
    try:
        return path.stat()
    except (OSError, ValueError):  # no such file, or nothing that can be a name
        return None


class Records:
    """A file that is begun anew and grows by whole records, however and whenever that ends.

    Every record is written at once and leaves nothing in the memory of this process. One for which
    there is no room is taken back. A stream of this process is written where it stands.

    Parameters
    ----------
    path
        Where it is; what is there is replaced.
    footer
        What always stands after the last record; in a stream, once it is closed.

    Raises
    ------
    OSError
        If it cannot be opened, or from `append`, when it cannot be written.
    """

    def __init__(self, path: Path, footer: bytes = b"") -> None:
        self._footer, self._footed = footer, False
        stream = _STREAM.fullmatch(str(path))
        if stream is None:
            self._file = FileIO(path, "w")
        else:
            number = int(stream[2] or {"out": 1, "err": 2}[stream[1]])
            self._file = FileIO(os.dup(number), "w")

    def append(self, record: bytes) -> None:
        """Write a record, or nothing of it."""
        footer = self._footer if self._file.seekable() else b""
        before = self._footer if self._footed else b""
        if before:
            self._file.seek(-len(before), os.SEEK_CUR)
        try:
            self._write(record + footer, before)
        except OSError:
            with suppress(OSError):
                self._write(before)
            raise
        self._footed = bool(footer)

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # every record has been written
            if not self._footed:
                self._write(self._footer)
            self._file.close()

    def _write(self, data: bytes, before: bytes = b"") -> None:
        """Write at once over what was ``before``, or take back what has been written."""
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) or 0 :]
        except OSError:
            if begun := len(data) - len(left):
                with suppress(OSError):  # a pipe keeps what it has
                    self._file.truncate(self._file.seek(-begun, os.SEEK_CUR))
            raise


class Replacing:
    """Records that take the place of a file all at once; until they are closed it stays as it is.

    Parameters
    ----------
    path
        Where it is.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._records = path, bytearray()

    def append(self, record: bytes) -> None:
        """Add a record."""
        self._records += record

    def close(self) -> None:
        """Replace the file; raises UsageError as `write_whole` does."""
        write_whole(self._path, bytes(self._records))


def sweep(folder: Path) -> None:
    """Remove what is left in a folder of files whose writing was killed."""
    with suppress(OSError):
        for path in folder.iterdir():
            if _BEGUN.fullmatch(path.name):
                path.unlink(missing_ok=True)


_BEGUN = re.compile(r"\.[0-9a-f]{16}\.new")


def _replace(path: Path, data: bytes) -> None:
    new = path.with_name(f".{secrets.token_hex(8)}.new")
    try:
        new.write_bytes(data)
        if path.exists():
            shutil.copymode(path, new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
