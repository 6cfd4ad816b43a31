"""What a session has said for good, on disk: a line an event, none of them ever changed.

A server that was killed finds here all that it needs to go on with the session: what was said,
the source words that became final, and how much of the audio they cover.
"""

import json
import os
import re
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, TypeVar

from alignatt4llm.events import Close, Commit, End, Piece, SourceWord, TargetState, to_json
from alignatt4llm.serve.errors import UnknownSession
from alignatt4llm.serve.past import Settled
from alignatt4llm.serve.pasts import Pasts, Record

T = TypeVar("T")

Durable = Commit | Close | TargetState | End
"""Events that are kept and numbered; all others are worth something only when they are new."""

_KINDS: dict[str, type[Durable]] = {kind.type: kind for kind in (Commit, Close, TargetState, End)}

FORMAT = 3
"""Version of what is written here; the header tells all targets since 3."""

_NAME = re.compile(r"[A-Za-z0-9_-]{16,64}")
_AT_ONCE = 256
"""Lines read at once, so that memory stays bounded whatever a client asks for."""
_STRETCH, _REST = 64, 0.001
"""Lines of a whole journal that are read in a row, and seconds of rest after them: a thread that
only waits for its turn among others that compute is late, and on a busy machine very late."""


class Journal:
    """The numbered events of one session; they may be read while they are written.

    Parameters
    ----------
    path
        The file, as `create` made it.

    Attributes
    ----------
    header
        What the session was started with.

    Raises
    ------
    UnknownSession
        If it was written by another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = read_header(path)
        self._lock = Lock()
        self._starts: list[int] = []
        self._size = _repair(path)
        with path.open("rb") as file:
            at = 0
            for line in _restfully(file):
                if line.startswith(b'{"seq"'):
                    self._starts.append(at)
                at += len(line)
        self._file: BinaryIO | None = None
        # its name may be removed while it is still read, also after the session's end
        self._reader = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._reader)

    @classmethod
    def create(cls, path: Path, header: dict[str, Any]) -> "Journal":
        """Begin a journal."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps({"type": "session", "format": FORMAT, **header}) + "\n")
        journal = cls(path)
        journal._file = path.open("a+b")
        return journal

    @property
    def last(self) -> int:
        """Number of the last event, 0 if there is none."""
        return len(self._starts)

    @property
    def ended(self) -> bool:
        """Whether its end was written."""
        last = self.since(self.last - 1) if self.last else []
        return bool(last) and json.loads(last[-1])["type"] == End.type

    def append(self, event: Durable) -> None:
        """Write an event under the next number."""
        with self._lock:
            self._starts.append(self._size)
            self._write(f'{{"seq": {self.last}, {to_json(event)[1:]}')

    def hear(self, settled: Settled) -> None:
        """Note source words that became final."""
        words = [asdict(word) for word in settled.words]
        record = {"type": "heard", "words": words, "settled": settled.samples}
        with self._lock:
            self._write(json.dumps(record, ensure_ascii=False))

    def since(self, seq: int) -> list[str]:
        """Return the events after a number as JSON, oldest first; call again for more."""
        with self._lock:
            if seq >= self.last:
                return []
            end = self._starts[seq + _AT_ONCE] if seq + _AT_ONCE < self.last else self._size
            start = self._starts[seq]
            lines = os.pread(self._reader, end - start, start).decode().split("\n")
        return [line for line in lines if line.startswith('{"seq"')]

    def past(self) -> Pasts:
        """Read everything again and add it up."""
        past = Pasts(self.header["to"])
        for record in self._records():
            past.add(record)
        return past

    def close(self) -> None:
        """End writing; it can still be read."""
        with self._lock:
            if self._file:
                self._file.close()
                self._file = None

    def _records(self) -> Iterator[Record]:
        with self.path.open(encoding="utf-8") as file:
            for line in _restfully(file):
                if record := _record(json.loads(line)):
                    yield record

    def _write(self, line: str) -> None:
        data = line.encode() + b"\n"
        if self._file is None:
            self._file = self.path.open("a+b")
        self._file.write(data)
        self._file.flush()
        self._size += len(data)


def journal_path(folder: Path, session: str) -> Path | None:
    """Return where the journal of a session is, or None for what is no name of one."""
    return folder / f"{session}.jsonl" if _NAME.fullmatch(session) else None


def read_header(path: Path) -> dict[str, Any]:
    """Read what a session was started with.

    Raises
    ------
    UnknownSession
        If its journal was written by another version.
    """
    with path.open("rb") as file:
        first = file.readline()
    header: dict[str, Any] = json.loads(first) if first.endswith(b"\n") else {}
    if header.get("format") != FORMAT:
        raise UnknownSession("Another version of the server began this session; begin a new one.")
    return header


def remove_older(folder: Path, seconds: float) -> None:
    """Delete the journals that have not changed for so long."""
    oldest = time.time() - seconds
    for path in folder.glob("*.jsonl"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def events_of(journal: Journal) -> Iterator[Durable]:
    """Read the numbered events back."""
    seq = 0
    while lines := journal.since(seq):
        seq += len(lines)
        for line in lines:
            if event := _event(json.loads(line)):
                yield event


def _restfully(lines: Iterable[T]) -> Iterator[T]:
    """Yield lines, leaving the interpreter to others for a while again and again."""
    for number, line in enumerate(lines, 1):
        yield line
        if number % _STRETCH == 0:
            time.sleep(_REST)


def _repair(path: Path) -> int:
    """Cut off a last line that was not written to its end; return the size."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    return whole


def _record(record: dict[str, Any]) -> Record | None:
    if record["type"] == "heard":
        words = tuple(SourceWord(**word) for word in record["words"])
        return Settled(words, record["settled"])
    return _event(record)


def _event(record: dict[str, Any]) -> Durable | None:
    kind = _KINDS.get(record.get("type", ""))
    if kind is None:
        return None
    values = {key: value for key, value in record.items() if key not in ("seq", "type")}
    if kind is Commit:
        values["pieces"] = tuple(
            Piece(piece["text"], piece["word"], tuple(map(tuple, piece["sources"])))
            for piece in values["pieces"]
        )
    return kind(**values)
