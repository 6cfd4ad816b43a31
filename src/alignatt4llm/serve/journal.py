"""What a session has said for good, on disk: a line an event, none of them ever changed.

A server that was killed finds here all that it needs to go on with the session: what was said,
the source words of the open utterance, and how much of the audio they cover.
"""

import json
import os
import re
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from alignatt4llm.events import Close, Commit, End, Piece, SourceWord, to_json

Durable = Commit | Close | End
"""Events that are kept and numbered; all others are worth something only when they are new."""

_NAME = re.compile(r"[A-Za-z0-9_-]{16,64}")
_AT_ONCE = 256
"""Lines read at once, so that memory stays bounded whatever a client asks for."""


@dataclass(slots=True)
class Past:
    """What a journal tells about its session.

    Attributes
    ----------
    header
        What the session was started with.
    said
        Its commits and closes.
    heard
        Committed source words of the open utterance.
    settled
        Samples of the stream whose words are all committed.
    ended
        Whether its end was written.
    """

    header: dict[str, Any]
    said: list[Commit | Close] = field(default_factory=list)
    heard: list[SourceWord] = field(default_factory=list)
    settled: int = 0
    ended: bool = False


class Journal:
    """The numbered events of one session; they may be read while they are written.

    Parameters
    ----------
    path
        The file, as `create` made it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._starts: list[int] = []
        self._size = _repair(path)
        with path.open("rb") as file:
            at = 0
            for line in file:
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
            file.write(json.dumps({"type": "session", **header}) + "\n")
        journal = cls(path)
        journal._file = path.open("a+b")
        return journal

    @property
    def last(self) -> int:
        """Number of the last event, 0 if there is none."""
        return len(self._starts)

    def append(self, event: Durable) -> None:
        """Write an event under the next number."""
        with self._lock:
            self._starts.append(self._size)
            self._write(f'{{"seq": {self.last}, {to_json(event)[1:]}')

    def hear(self, words: list[SourceWord], settled: int) -> None:
        """Note committed source words, and the samples up to which nothing more is to come."""
        record = {"type": "heard", "words": [asdict(word) for word in words], "settled": settled}
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

    def past(self) -> Past:
        """Read everything again."""
        with self.path.open(encoding="utf-8") as file:
            records = (json.loads(line) for line in file)
            past = Past(next(records))
            for record in records:
                _apply(record, past)
        return past

    def close(self) -> None:
        """End writing; it can still be read."""
        with self._lock:
            if self._file:
                self._file.close()
                self._file = None

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


def _repair(path: Path) -> int:
    """Cut off a last line that was not written to its end; return the size."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    return whole


def _apply(record: dict[str, Any], past: Past) -> None:
    if record["type"] == "heard":
        past.heard += [SourceWord(**word) for word in record["words"]]
        past.settled = record["settled"]
        return
    event = _event(record)
    if isinstance(event, Commit | Close):
        past.said.append(event)
    if isinstance(event, Close):
        del past.heard[: len(event.source.split())]
    past.ended = past.ended or isinstance(event, End)


def _event(record: dict[str, Any]) -> Durable | None:
    kind = {event.type: event for event in (Commit, Close, End)}.get(record.get("type", ""))
    if kind is None:
        return None
    values = {key: value for key, value in record.items() if key not in ("seq", "type")}
    if kind is Commit:
        values["pieces"] = tuple(
            Piece(piece["text"], piece["word"], tuple(map(tuple, piece["sources"])))
            for piece in values["pieces"]
        )
    return kind(**values)
