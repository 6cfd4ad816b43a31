"""Journals in a folder: a file a session, which may be read while it is written.

Several servers may share the folder. Whoever writes holds the lock beside the file and finds it as
long as it was left: a new owner begins with a line of its own, so that for the one before it has
become longer.
"""

import errno
import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from alignatt4llm.errors import AlignattError
from alignatt4llm.serve.errors import Replaced, Unkept, UnknownSession
from alignatt4llm.serve.journals.records import (
    check_name,
    epoch_of,
    header_line,
    is_event,
    is_owner,
    missing,
    owner_line,
    read_header,
    readable,
)

_BLOCK = 1 << 16
"""Bytes read at once."""
_PATIENCE = 2.0
"""Seconds in which another process must have written its line."""


class FileLog:
    """The lines of one session in a file; see `Log`.

    Parameters
    ----------
    path
        The file, as `create` made it.

    Raises
    ------
    UnknownSession
        If it is not there, or was written by another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = header_of(path)
        self._starts: list[int] = []
        self._size, self._epoch = 0, 1
        self._lock = FileLock(path.with_suffix(".lock"), timeout=_PATIENCE, mode=0o600)
        self._writer: int | None = None
        # its name may be removed while it is still read, also after the session's end
        self._reader = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._reader)

    @classmethod
    def create(cls, path: Path, header: dict[str, Any]) -> "FileLog":
        """Begin a file."""
        with _reached():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                _write(new, header_line(header).encode() + b"\n")
            except OSError:
                path.unlink()
                raise
            finally:
                os.close(new)
            log = cls(path)
            log._own()
        for _ in log.more():
            pass
        return log

    def more(self) -> Iterator[str]:
        """Yield lines; see `Log`. One that is not written to its end is left."""
        rest = b""
        while block := os.pread(self._reader, _BLOCK, self._size + len(rest)):
            *whole, rest = (rest + block).split(b"\n")
            for data in whole:
                yield self._count(data)

    def since(self, seq: int, most: int) -> list[str]:
        """Return events; see `Log`."""
        starts, size = self._starts, self._size
        if seq >= len(starts):
            return []
        end = starts[seq + most] if seq + most < len(starts) else size
        data = os.pread(self._reader, end - starts[seq], starts[seq])
        return list(filter(is_event, data.decode().split("\n")))[:most]

    def take(self) -> list[str]:
        """Become the owner; see `Log`."""
        with self._held():
            found = list(self.more())
            self._own()
            self._cut()
            self._put([owner_line(self._epoch + 1)])
        return found

    def write(self, lines: Sequence[str]) -> None:
        """Write lines; see `Log`."""
        if not lines:
            with _reached():
                self._require_name()
                self._added()
                os.utime(self.path)  # whoever owns it keeps it, also when nothing is said
            return
        with self._held():
            self._require_name()
            if self._added():
                self._cut()
            self._put(lines)

    def close(self) -> None:
        """End writing."""
        if self._writer is not None:
            self._parting()
            self._writer = None

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep others from writing."""
        with _reached(), self._lock:
            yield

    def _own(self) -> None:
        try:
            self._writer = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            raise missing() from None
        self._parting = weakref.finalize(self, os.close, self._writer)
        self._require_name()

    def _require_name(self) -> None:
        """Raise UnknownSession unless the file can still be found by its name."""
        try:
            found = os.path.samestat(self.path.stat(), os.fstat(self._reader))
        except FileNotFoundError:
            found = False
        if not found:
            raise _lost()

    def _added(self) -> bytes:
        """Return what stands behind our last line: at most what could not be written whole."""
        size = os.fstat(self._reader).st_size
        if size < self._size:
            raise _lost()
        added = os.pread(self._reader, size - self._size, self._size) if size > self._size else b""
        if any(map(is_owner, added.decode(errors="replace").split("\n")[:-1])):
            raise Replaced("Another server goes on with this session.")
        return added

    def _cut(self) -> None:
        """Take away what stands behind our last line."""
        assert self._writer is not None
        os.ftruncate(self._writer, self._size)

    def _put(self, lines: Sequence[str]) -> None:
        """Write lines, all or none."""
        assert self._writer is not None
        whole = [line.encode() for line in lines]
        try:
            _write(self._writer, b"".join(data + b"\n" for data in whole))
        except OSError:
            with suppress(OSError):
                self._cut()
            raise
        for data in whole:
            self._count(data)

    def _count(self, data: bytes) -> str:
        """Note where a line stands, and return it."""
        line = data.decode()
        if is_event(line):
            self._starts.append(self._size)
        self._epoch = epoch_of(line) or self._epoch
        self._size += len(data) + 1
        return line


class FolderStore:
    """Journals in a folder of this machine, or of a file system that servers share; see `Store`.

    Parameters
    ----------
    folder
        Where they are; it is made.
    keep
        Seconds for which a journal stays after its last change.
    """

    def __init__(self, folder: Path, keep: float) -> None:
        self._folder, self._keep = folder, keep

    def create(self, header: dict[str, Any]) -> FileLog:
        """Begin a journal; see `Store`."""
        return FileLog.create(self._folder / f"{header['session']}.jsonl", header)

    def open(self, session: str) -> FileLog:
        """Find a journal; see `Store`."""
        with _reached():
            return FileLog(self._path(session))

    def header(self, session: str) -> dict[str, Any]:
        """Read a header; see `Store`."""
        with _reached():
            return header_of(self._path(session))

    def tidy(self) -> None:
        """Delete old journals; see `Store`."""
        remove_older(self._folder, self._keep)

    def check(self) -> None:
        """Try to write; see `Store`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _now(self._folder)
        except OSError as problem:
            raise AlignattError(
                f"Transcripts cannot be kept in '{self._folder}' ({_reason(problem)}); choose "
                "another folder with --transcripts."
            ) from problem

    def _path(self, session: str) -> Path:
        return self._folder / f"{check_name(session)}.jsonl"


def _lost() -> UnknownSession:
    return UnknownSession("What was said in this session is lost; begin a new one.")


def header_of(path: Path) -> dict[str, Any]:
    """Read what the session of a file was started with; UnknownSession if that cannot be read."""
    try:
        with path.open("rb") as file:
            first = file.readline()
    except FileNotFoundError:
        raise missing() from None
    with readable():
        return read_header(first.decode() if first.endswith(b"\n") else "")


def remove_older(folder: Path, seconds: float) -> None:
    """Delete the records that have not changed for so long, by the clock of the folder's disk."""
    with suppress(OSError):
        oldest = _now(folder) - seconds
        for path in folder.glob("*.jsonl"):
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    path.with_suffix(".lock").unlink(missing_ok=True)


def _now(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\n")
        file.flush()
        return os.fstat(file.fileno()).st_mtime


@contextmanager
def _reached() -> Iterator[None]:
    """Say as Unkept what the file system does not do now."""
    try:
        yield
    except Timeout as problem:
        raise Unkept("another server does not let go of the file") from problem
    except OSError as problem:
        raise Unkept(_reason(problem)) from problem


def _reason(problem: OSError) -> str:
    return (problem.strerror or str(problem)).lower()


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it, or raise OSError."""
    if os.write(descriptor, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
