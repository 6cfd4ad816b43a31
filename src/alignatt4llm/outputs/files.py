"""Files that grow while a session runs: JSON lines, SRT and VTT."""

from contextlib import suppress
from pathlib import Path
from typing import Protocol

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.events import Close, Commit, Event, Trace, to_json


class Output(Protocol):
    """Something that events are written to, safely at any moment."""

    def write(self, event: Event) -> None:
        """Take one event."""
        ...

    def close(self) -> None:
        """Write what is pending and end."""
        ...


class _GrowingFile:
    """Text that is in the file as soon as it is appended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as problem:
            raise UsageError(self._complaint(problem)) from problem

    def append(self, text: str) -> None:
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as problem:
            raise AlignattError(self._complaint(problem)) from problem

    def close(self) -> None:
        with suppress(OSError):  # what could not be appended has been told
            self._file.close()

    def _complaint(self, problem: OSError) -> str:
        return f"'{self._path}' cannot be written: {problem.strerror}."


class JsonLines:
    """Every event as one line of JSON; traces only on request."""

    def __init__(self, path: Path, trace: bool = False) -> None:
        self._file = _GrowingFile(path)
        self._trace = trace

    def write(self, event: Event) -> None:
        """Append one line and flush it."""
        if self._trace or not isinstance(event, Trace):
            self._file.append(to_json(event) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Subtitles:
    """SRT or VTT cues of committed text, one an utterance, written as utterances close."""

    def __init__(self, path: Path, *, vtt: bool) -> None:
        self._file = _GrowingFile(path)
        self._vtt = vtt
        self._number = 0
        self._text = ""
        self._start = self._end = 0.0
        if vtt:
            self._file.append("WEBVTT\n\n")

    def write(self, event: Event) -> None:
        """Collect committed text; write a cue when its utterance closes."""
        if isinstance(event, Commit):
            self._text += event.text
            self._end = event.audio_s
        elif isinstance(event, Close):
            said, cut = self._text.lstrip(), len(event.target)
            self._cue(said[:cut], event.start, max(event.end, event.start + 0.5))
            self._text = said[cut:]
            self._start = event.end

    def close(self) -> None:
        """Write what was committed in the open utterance, and end."""
        self._cue(self._text.strip(), self._start, max(self._end, self._start + 0.5))
        self._file.close()

    def _cue(self, text: str, start: float, end: float) -> None:
        if not text:
            return
        self._number += 1
        times = f"{self._clock(start)} --> {self._clock(end)}"
        self._file.append(f"{self._number}\n{times}\n{text}\n\n")

    def _clock(self, seconds: float) -> str:
        ms = round(seconds * 1000)
        point = "." if self._vtt else ","
        return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"
