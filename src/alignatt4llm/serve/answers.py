"""Answers to an upload: OpenAI's own, and every output."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alignatt4llm.events import Close, Commit, End, Event, Notice, Source, SourceWord
from alignatt4llm.outputs.base import Format
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.table import OUTPUTS, OutputKind
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.printable import json_line


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer should hold.

    Attributes
    ----------
    task
        ``translate`` or ``transcribe``.
    pair
        What is spoken, and the language of its text.
    segments, words
        Whether it tells the times of utterances and of words, where it can.
    """

    task: str
    pair: Pair
    segments: bool = True
    words: bool = False

    @property
    def style(self) -> Style:
        """How its text is laid out."""
        return Style.of(self.pair)


class Text(Format):
    """The whole text at the end."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked.style)
        self._asked = asked
        self._said: list[str] = []
        self._warnings: list[str] = []

    def add(self, event: Event) -> str:
        """Collect committed text and warnings."""
        if isinstance(event, Commit):
            self._said.append(event.text)
        elif isinstance(event, Notice):
            self._warnings.append(event.text)
        return ""

    def end(self) -> str:
        """Return it as a line."""
        return self.text + "\n"

    @property
    def text(self) -> str:
        """What has been said."""
        return "".join(self._said).strip()

    @property
    def warnings(self) -> dict[str, list[str]]:
        """What one should know besides, as a part of an object; empty if there is nothing."""
        return {"warnings": self._warnings} if self._warnings else {}


class Json(Text):
    """An object that holds the text, and warnings if there are any."""

    def end(self) -> str:
        """Return the object."""
        return json_line({"text": self.text, **self.warnings})


class VerboseJson(Text):
    """An object that holds the text, and its utterances and words with their times."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._segments: list[dict[str, Any]] = []
        self._words: list[dict[str, Any]] = []
        self._heard: tuple[SourceWord, ...] = ()
        self._duration = 0.0

    def add(self, event: Event) -> str:
        """Collect text, utterances and words."""
        if isinstance(event, Source):
            self._heard = event.committed
        elif isinstance(event, Close):
            self._close(event)
        elif isinstance(event, End):
            self._duration = event.audio_s
        return super().add(event)

    def end(self) -> str:
        """Return the object."""
        asked = self._asked
        return json_line(
            {
                "task": asked.task,
                "language": asked.pair.target.code,
                "duration": self._duration,
                "text": self.text,
                **({"segments": self._segments} if asked.segments else {}),
                **({"words": self._words} if asked.words else {}),
                **self.warnings,
            }
        )

    def _close(self, close: Close) -> None:
        closed, self._heard = self._heard[: close.words], self._heard[close.words :]
        times = {"start": close.start, "end": close.end}
        segment = {"id": len(self._segments), "seek": 0, **times, "text": close.target}
        self._segments.append(segment | _UNKNOWN)
        self._words += [
            {"word": word.text, "start": word.start, "end": word.end} for word in closed
        ]


_UNKNOWN: dict[str, Any] = {
    "tokens": [],
    "temperature": 0.0,
    "avg_logprob": 0.0,
    "compression_ratio": 1.0,
    "no_speech_prob": 0.0,
}
"""What OpenAI's segments have besides and strict clients want to read; it says nothing here."""


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
        return sse({"type": "transcript.text.done", "text": self.text, **self.warnings})


_TOLD = (Commit, Close, Notice, End)


@dataclass(frozen=True, slots=True)
class Answer:
    """One kind of answer: makes its format, and says its media type and the events it reads."""

    format: Callable[[Asked], Format]
    media_type: str
    reads: tuple[type[Event], ...] = _TOLD


STREAM = Answer(Deltas, "text/event-stream")
"""The answer to ``stream=true``."""
_OWN = {
    "json": Answer(Json, "application/json"),
    "text": Answer(Text, "text/plain"),
    "verbose_json": Answer(VerboseJson, "application/json", (Source, *_TOLD)),
}


def answers() -> dict[str, Answer]:
    """Return what ``response_format`` may name: OpenAI's own answers, and every output."""
    return _OWN | {name: _of_table(kind) for name, kind in OUTPUTS.items()}


def _of_table(kind: OutputKind) -> Answer:
    return Answer(lambda asked: kind.format(asked.style), kind.media_type)


def sse(data: dict[str, Any]) -> str:
    """Return an event of a stream."""
    return f"data: {json_line(data)}\n\n"
