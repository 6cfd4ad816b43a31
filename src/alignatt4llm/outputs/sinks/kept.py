"""Cues that were not delivered, in a file from which they can be sent again."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from alignatt4llm.errors import UsageError
from alignatt4llm.files.reading import read_text
from alignatt4llm.files.writing import Records, Replacing
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.sinks.base import Next, Numbered, Origin
from alignatt4llm.outputs.sinks.table import SINKS, Destination
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.printable import json_line


class Kept:
    """A file of cues that were not delivered; it is made when there is one.

    The first line says what to do with it, each of the others is a cue, and the last says where the
    sink goes on. No secret stands in it.

    Parameters
    ----------
    path
        Where it will be.
    destination
        Where the cues should have gone.
    origin
        The stream.
    records
        How the file is written.
    """

    def __init__(
        self,
        path: Path,
        destination: Destination,
        origin: Origin,
        records: Callable[[Path], Records | Replacing] = Records,
    ) -> None:
        self.path, self._records = path, records
        self._head = _head(path, destination, origin)
        self._lock = Lock()
        self._file: Records | Replacing | None = None
        self._closed = False

    def add(self, cues: Iterable[Numbered]) -> None:
        """Add cues, unless it is closed; raises OSError if that fails."""
        with self._lock:
            for number, cue in () if self._closed else cues:
                self._write(_record(number, cue))

    def close(self, following: Next) -> None:
        """Write where the sink goes on, if there is a file, and end."""
        with self._lock:
            self._closed = True
            if self._file:
                self._write({"next": following.number, "tried": following.tried})
                self._file.close()

    def _write(self, record: dict[str, Any]) -> None:
        if self._file is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self._records(self.path)
            self._file.append(json_line(self._head).encode() + b"\n")
        self._file.append(json_line(record).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What such a file holds.

    Attributes
    ----------
    kind
        Of the sink.
    origin
        The stream.
    cues
        In their order.
    following
        Where the sink goes on.
    """

    kind: str
    origin: Origin
    cues: tuple[Numbered, ...]
    following: Next


def read_undelivered(path: Path) -> Undelivered:
    """Read a file of cues that were not delivered.

    Raises
    ------
    UsageError
        If it cannot be read, or is none.
    """
    lines = [line for line in read_text(path).split("\n") if line]
    with suppress(ValueError, KeyError, TypeError, AttributeError, UsageError):
        head, *records = map(json.loads, lines)
        origin = Origin(head["session"], Pair.parse(head["pair"]), float(head["began"]))
        cues = {each["number"]: _cue(each) for each in records if "number" in each}
        ends = [Next(each["next"], each["tried"]) for each in records if "next" in each]
        if head["sink"] in SINKS:
            following = ends[-1] if ends else Next()
            return Undelivered(head["sink"], origin, tuple(sorted(cues.items())), following)
    raise UsageError(f"'{path}' is no file of captions that were not delivered.")


def _head(path: Path, destination: Destination, origin: Origin) -> dict[str, Any]:
    kind = SINKS[destination.kind]
    resend = f"alignatt resend '{path}' --caption-sink '{destination.kind}:{kind.takes}'"
    return {
        "resend": resend,
        "sink": destination.kind,
        "shown": str(destination),
        "session": origin.session,
        "pair": str(origin.pair),
        "began": round(origin.began, 3),
    }


def _record(number: int, cue: Cue) -> dict[str, Any]:
    times = {"start": cue.start, "end": cue.end}
    return {"number": number, **times, "lines": cue.lines, "source": cue.below}


def _cue(record: dict[str, Any]) -> Cue:
    lines, below = (tuple(map(str, record[name])) for name in ("lines", "source"))
    return Cue(lines, int(record["start"]), int(record["end"]), below)
