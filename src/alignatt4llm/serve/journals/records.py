"""What is kept of a session as lines of JSON, and back; the same in every store.

A line is the header, an event under its number, source words that became final, or the note that
somebody else writes from there on. None is ever changed.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from alignatt4llm.events import Close, Commit, End, Piece, SourceWord, TargetState, to_json
from alignatt4llm.serve.errors import UnknownSession
from alignatt4llm.serve.past import Settled
from alignatt4llm.serve.pasts import Record
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import LANGUAGES

Durable = Commit | Close | TargetState | End
"""Events that are kept and numbered; all others are worth something only when they are new."""

_KINDS: dict[str, type[Durable]] = {kind.type: kind for kind in (Commit, Close, TargetState, End)}

FORMAT = 3
"""Version of what is written here; the header tells all targets since 3."""

_PARTS: dict[str, type] = {
    "session": str,
    "key_sha256": str,
    "from": str,
    "to": list,
    "latency": str,
    "audio": str,
    "version": int,
}
"""What every header has."""
_NAME = re.compile(r"[A-Za-z0-9_-]{16,64}")
_TYPED = 60
"""Characters of a line in which its type is told."""


def check_name(session: str) -> str:
    """Return the name of a session; raise UnknownSession for what is none."""
    if not _NAME.fullmatch(session):
        raise missing()
    return session


def missing() -> UnknownSession:
    """Return what is said where there is nothing."""
    return UnknownSession("There is no such session here, or no longer.")


def header_line(header: dict[str, Any]) -> str:
    """Write what a session is started with."""
    return json.dumps({"type": "session", "format": FORMAT, **header})


def read_header(line: str) -> dict[str, Any]:
    """Read what a session was started with.

    Raises
    ------
    UnknownSession
        If it was written by another version, or is damaged.
    """
    with readable():
        header: dict[str, Any] = json.loads(line)
        known = header.get("format")
    if known != FORMAT:
        raise UnknownSession("Another version of the server began this session; begin a new one.")
    return header


def check_header(header: dict[str, Any]) -> None:
    """Raise UnknownSession if a part of what a session was started with is missing or damaged."""
    with readable():
        wrong = [key for key, kind in _PARTS.items() if not isinstance(header[key], kind)]
        codes = [header["from"], *header["to"]]
        if wrong or len(codes) < 2 or header["latency"] not in LATENCIES:
            raise ValueError(wrong)
        for code in codes:
            LANGUAGES[code]


@contextmanager
def readable() -> Iterator[None]:
    """Say as UnknownSession that what is read in the block is damaged."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as problem:
        raise UnknownSession(
            "What is kept of this session is damaged; begin a new one."
        ) from problem


def event_line(number: int, event: Durable) -> str:
    """Write an event under its number."""
    return f'{{"seq": {number}, {to_json(event)[1:]}'


def heard_line(settled: Settled) -> str:
    """Write source words that became final."""
    words = [asdict(word) for word in settled.words]
    record = {"type": "heard", "words": words, "settled": settled.samples}
    return json.dumps(record, ensure_ascii=False)


def owner_line(epoch: int) -> str:
    """Write that a new owner goes on from here."""
    return json.dumps({"type": "owner", "epoch": epoch})


def epoch_of(line: str) -> int | None:
    """Return the epoch that begins with a line, if one does."""
    return int(json.loads(line)["epoch"]) if is_owner(line) else None


def is_owner(line: str) -> bool:
    """Whether a new owner goes on from a line."""
    return line.startswith('{"type": "owner"')


def is_event(line: str) -> bool:
    """Whether a line has a number."""
    return line.startswith('{"seq"')


def is_of(line: str, kind: type[Durable]) -> bool:
    """Whether a line with a number may be an event of this kind; it is cheaper than to read it."""
    return f'"type": "{kind.type}"' in line[:_TYPED]


@readable()
def event_of(line: str) -> Durable | None:
    """Read an event back."""
    return _event(json.loads(line))


@readable()
def record_of(line: str) -> Record | None:
    """Read a record back."""
    record = json.loads(line)
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
