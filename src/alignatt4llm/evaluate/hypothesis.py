"""What a system said of one recording, in the format that OmniSTEval reads."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from alignatt4llm.errors import AlignattError


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The translation of one recording and when each of its units was said.

    Units are words, or characters in languages without spaces; their ``prediction`` holds none.

    Attributes
    ----------
    source
        Name of the recording.
    source_length
        Its length in milliseconds.
    prediction
        The translation.
    delays
        Milliseconds of audio consumed when each unit was said.
    elapsed
        Milliseconds on the clock of the audio at which each unit was out: computation included,
        and the wait for earlier chunks.
    processing
        Milliseconds of computation.
    transcript
        The source as recognised.
    segments
        Translations of the corpus's own segments, where the system was given them.
    """

    source: str
    source_length: float
    prediction: str
    delays: tuple[float, ...]
    elapsed: tuple[float, ...]
    processing: float
    transcript: str
    segments: tuple[str, ...] = field(default=())


_KEYS = {entry.name for entry in fields(Hypothesis)}


def append_hypothesis(path: Path, hypothesis: Hypothesis) -> None:
    """Add one line to a file of hypotheses."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(hypothesis), ensure_ascii=False) + "\n")


def read_hypotheses(path: Path) -> list[Hypothesis]:
    """Read a file of hypotheses; a last line that breaks off is not counted.

    Raises
    ------
    AlignattError
        If the file is missing or another line is wrong; the message names it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AlignattError(f"'{path}' cannot be read: {error.strerror}.") from error
    lines = content.split(b"\n")[:-1]  # what follows the last line feed is broken off, or nothing
    return [_parsed(f"'{path}', line {n}", line) for n, line in enumerate(lines, start=1)]


def _parsed(where: str, line: bytes) -> Hypothesis:
    try:
        record = json.loads(line)
        known: dict[str, Any] = {key: _frozen(record[key]) for key in _KEYS}
    except (ValueError, KeyError, TypeError) as error:
        raise AlignattError(f"{where}: not a hypothesis of a run: {error!r}.") from error
    return Hypothesis(**known)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
