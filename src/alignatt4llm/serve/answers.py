"""Answers to an upload: OpenAI's own, and every output."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alignatt4llm.events import Close, Commit, End, Event
from alignatt4llm.outputs.base import Format
from alignatt4llm.outputs.table import OUTPUTS, OutputKind
from alignatt4llm.text.languages import Language
from alignatt4llm.text.printable import json_line


class Text(Format):
    """The whole translation at the end."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def add(self, event: Event) -> str:
        """Collect committed text."""
        if isinstance(event, Commit):
            self._said.append(event.text)
        return ""

    def end(self) -> str:
        """Return it as a line."""
        return self.text + "\n"

    @property
    def text(self) -> str:
        """What has been said."""
        return "".join(self._said).strip()


class Json(Text):
    """An object that holds nothing but the text."""

    def end(self) -> str:
        """Return the object."""
        return json_line({"text": self.text})


class VerboseJson(Text):
    """An object that holds the text and its utterances with their times."""

    def __init__(self, target: Language) -> None:
        super().__init__()
        self._target = target
        self._segments: list[dict[str, Any]] = []
        self._duration = 0.0

    def add(self, event: Event) -> str:
        """Collect text and utterances."""
        if isinstance(event, Close):
            times = {"start": event.start, "end": event.end}
            self._segments.append({"id": len(self._segments), **times, "text": event.target})
        elif isinstance(event, End):
            self._duration = event.audio_s
        return super().add(event)

    def end(self) -> str:
        """Return the object."""
        return json_line(
            {
                "task": "translate",
                "language": self._target.code,
                "duration": self._duration,
                "text": self.text,
                "segments": self._segments,
            }
        )


class Deltas(Text):
    """Server-Sent Events, as OpenAI streams transcriptions."""

    def add(self, event: Event) -> str:
        """Return committed text as an event."""
        super().add(event)
        if isinstance(event, Commit):
            return sse({"type": "transcript.text.delta", "delta": event.text})
        return ""

    def end(self) -> str:
        """Return the event that ends the stream."""
        return sse({"type": "transcript.text.done", "text": self.text})


@dataclass(frozen=True, slots=True)
class Answer:
    """One kind of answer: makes its format for a target language, and says its media type."""

    format: Callable[[Language], Format]
    media_type: str


STREAM = Answer(lambda target: Deltas(), "text/event-stream")
"""The answer to ``stream=true``."""
_OWN = {
    "json": Answer(lambda target: Json(), "application/json"),
    "text": Answer(lambda target: Text(), "text/plain"),
    "verbose_json": Answer(VerboseJson, "application/json"),
}


def answers() -> dict[str, Answer]:
    """Return what ``response_format`` may name: OpenAI's own answers, and every output."""
    return _OWN | {name: _of_table(kind) for name, kind in OUTPUTS.items()}


def _of_table(kind: OutputKind) -> Answer:
    return Answer(lambda target: kind.format(), kind.media_type)


def openai_error(code: str, message: str) -> dict[str, Any]:
    """Return an error in OpenAI's shape."""
    return {"message": message, "type": "invalid_request_error", "param": None, "code": code}


def sse(data: dict[str, Any]) -> str:
    """Return an event of a stream."""
    return f"data: {json_line(data)}\n\n"
