"""What a session says, one event at a time; as JSON, one object a line."""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from alignatt4llm.text.printable import json_line


@dataclass(frozen=True, slots=True)
class SourceWord:
    """A recognised word with its trailing punctuation; times in seconds since the stream began."""

    text: str
    start: float
    end: float


Sources = tuple[tuple[int, float], ...]
"""Source words with their shares of a token's source attention, strongest first."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text and the source word (of the open utterance) it looks at most.

    ``sources`` names the strongest of all the words it looks at, where that is known.
    """

    text: str
    word: int
    sources: Sources = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The open utterance as recognised now: committed words and the tail.

    A stream has one of these a step, whatever it is translated into: the open utterance is that of
    the target ``to`` that was first to take the step in, and ``first`` counts the source words of
    the stream before it.
    """

    type: ClassVar[str] = "source"
    utterance: int
    committed: tuple[SourceWord, ...]
    tail: tuple[SourceWord, ...]
    audio_s: float
    to: str = ""
    first: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """Target text that has been said; concatenating ``text`` gives the whole translation.

    ``audio_s`` is the audio consumed when it was said, ``wall_s`` the time since the session
    began, ``covered`` the index of the last source word of the utterance that it looks at (-1
    when it looks at none). ``pieces`` are its tokens and the source words that each looks at.
    ``to`` is its language, here and in all that follows.
    """

    type: ClassVar[str] = "commit"
    text: str
    utterance: int
    audio_s: float
    wall_s: float
    covered: int
    pieces: tuple[Piece, ...] = ()
    to: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """Drafted text that is held; it replaces the previous preview and may change."""

    type: ClassVar[str] = "preview"
    text: str
    utterance: int
    reason: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class TokenTrace:
    """Why one draft token was accepted or held; ``hold`` is empty when it was accepted."""

    text: str
    word: str
    accessible: float
    inaccessible: float
    source_mass: float
    hold: str
    sources: Sources = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """The policy's decision on one draft, token by token."""

    type: ClassVar[str] = "trace"
    utterance: int
    frontier: int
    tokens: tuple[TokenTrace, ...]
    to: str = ""


@dataclass(frozen=True, slots=True)
class Close:
    """The source made a full stop after ``words`` source words of the open utterance.

    ``start`` and ``end`` are their audio, in seconds.
    """

    type: ClassVar[str] = "close"
    utterance: int
    source: str
    target: str
    start: float
    end: float
    audio_s: float
    words: int
    to: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """All has been said that can be said in a language, or, where ``to`` is empty, in any.

    ``delays`` holds, for every target unit (word, or character in zh and ja), the milliseconds
    of audio consumed when it was said; ``elapsed`` the wall-clock milliseconds. Both are in the
    order of the units of the whole translation, as LongYAAL wants them.
    """

    type: ClassVar[str] = "end"
    audio_s: float
    wall_s: float
    rtf: float
    peak_memory_mb: float
    units: tuple[str, ...] = field(default=())
    delays: tuple[float, ...] = field(default=())
    elapsed: tuple[float, ...] = field(default=())
    to: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something one should know about the sound or what is heard in it; nothing stops for it.

    ``kind`` is a name for programs, ``text`` one sentence for people; ``audio_s`` is where in the
    stream it was noticed.
    """

    type: ClassVar[str] = "notice"
    kind: str
    text: str
    audio_s: float = 0.0


ADDED, JOINED, DROPPED, ENDED = "added", "joined", "dropped", "ended"
"""What happens to a target of a stream that runs, in this order."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """Something happens to a target while its stream runs.

    It is added, to begin with the next utterance or, with ``from_start``, with the first; it has
    joined, as it was added, with source word ``first`` of the stream; it is dropped; all has been
    said in it.
    """

    type: ClassVar[str] = "target"
    state: str
    audio_s: float
    first: int = 0
    from_start: bool = False
    to: str = ""


Event = Source | Commit | Preview | Trace | Close | Notice | TargetState | End


def to_json(event: Event) -> str:
    """Write an event as one line of JSON, its ``type`` first.

    Where no target is told, ``to`` is left out, and ``first`` with it.

    Examples
    --------
    >>> to_json(Notice("quiet", "The sound is very quiet.", 30.0))
    """
    record = asdict(event)
    if not record.get("to"):
        record = {key: value for key, value in record.items() if key not in ("to", "first")}
    return json_line({"type": event.type, **_rounded(record)})


def from_json(line: str) -> Event:
    """Read an event as `to_json` writes it; keys that it does not have are left out."""
    record = json.loads(line)
    kind = _KINDS[record["type"]]
    known = {entry.name for entry in fields(kind)}
    event: Event = kind(**{key: _read(key, record[key]) for key in known & record.keys()})
    return event


_KINDS: dict[str, Any] = {
    kind.type: kind for kind in (Source, Commit, Preview, Trace, Close, Notice, TargetState, End)
}
_PARTS: dict[str, Any] = {
    "committed": SourceWord,
    "tail": SourceWord,
    "pieces": Piece,
    "tokens": TokenTrace,
}


def _read(key: str, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    if key in _PARTS:
        return tuple(
            _PARTS[key](**{name: _read(name, part) for name, part in entry.items()})
            for entry in value
        )
    return tuple(_read("", entry) for entry in value)


def _rounded(value: Any) -> Any:
    """Round to thousandths; what is no number becomes null, as JSON wants it."""
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value
