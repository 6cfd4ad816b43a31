"""Subtitles: SRT and WebVTT cues of committed text."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from alignatt4llm.events import Close, Commit, Event
from alignatt4llm.outputs.base import Format
from alignatt4llm.outputs.utterances import Utterances
from alignatt4llm.text.printable import one_line

SHORTEST = 0.5
"""Seconds for which a cue shows at least."""
WORD_JOINER = "\u2060"
"""A character of no width, at which no player breaks a line."""
_SRT_SYNTAX = re.compile(r"[<{](?=\S)|--(?=>)")


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a kind of subtitles is written.

    Attributes
    ----------
    header
        What stands before the cues.
    point
        Stands before the milliseconds.
    escaped
        Turns a line of text into what players show as that text.
    """

    header: str
    point: str
    escaped: Callable[[str], str]


class Subtitles(Format):
    """Cues of committed text, one an utterance, written as utterances close."""

    def __init__(self, syntax: Syntax) -> None:
        self._syntax = syntax
        self._utterances = Utterances()
        self._number = 0
        self._start = self._end = 0.0

    def begin(self) -> str:
        """Return the header."""
        return self._syntax.header

    def add(self, event: Event) -> str:
        """Collect committed text; return a cue when its utterance closes."""
        if isinstance(event, Commit):
            self._utterances.say(event)
            self._end = event.audio_s
        elif isinstance(event, Close):
            self._start = event.end
            return self._cue(self._utterances.close(event), event.start, event.end)
        return ""

    def end(self) -> str:
        """Return a cue of what was committed in the open utterance."""
        return self._cue(self._utterances.text, self._start, self._end)

    def _cue(self, text: str, start: float, end: float) -> str:
        line = one_line(text)
        if not line:
            return ""
        self._number += 1
        times = f"{self._clock(start)} --> {self._clock(max(end, start + SHORTEST))}"
        return f"{self._number}\n{times}\n{self._syntax.escaped(line)}\n\n"

    def _clock(self, seconds: float) -> str:
        ms = round(seconds * 1000)
        hours, minutes, rest = ms // 3600000, ms // 60000 % 60, ms // 1000 % 60
        return f"{hours:02}:{minutes:02}:{rest:02}{self._syntax.point}{ms % 1000:03}"


def srt() -> Subtitles:
    """Return SRT, in which tags such as ``<i>`` or ``{y:i}`` and ``-->`` cannot be escaped.

    A word joiner after their first character keeps players from taking text for them.
    """
    return Subtitles(Syntax("", ",", lambda text: _SRT_SYNTAX.sub(rf"\g<0>{WORD_JOINER}", text)))


def vtt() -> Subtitles:
    """Return WebVTT, in which ``&``, ``<`` and ``>`` are written as character references."""
    return Subtitles(Syntax("WEBVTT\n\n", ".", lambda text: html.escape(text, quote=False)))
