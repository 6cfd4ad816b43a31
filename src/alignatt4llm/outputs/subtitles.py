"""Subtitles: SRT and WebVTT cues of committed text."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

from alignatt4llm.events import Close, Commit, Event, Source
from alignatt4llm.outputs.base import Format
from alignatt4llm.outputs.utterances import Utterances
from alignatt4llm.text.printable import one_line

SHORTEST = 500
"""Milliseconds for which a cue shows at least, unless the next begins before."""
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


@dataclass(frozen=True, slots=True)
class Cue:
    """A line and when it is shown, in milliseconds."""

    text: str
    start: int
    end: int


class Subtitles(Format):
    """Cues of committed text, one an utterance, written as utterances close.

    They stand in order of time, each lasts, and none overlaps the next: a cue begins when the one
    before it has ended, and one shorter than `SHORTEST` waits until the next is known.
    """

    def __init__(self, syntax: Syntax) -> None:
        self._syntax = syntax
        self._utterances = Utterances()
        self._number = 0
        self._start = self._end = 0.0
        self._free = 0  # when the last cue that is written ends
        self._short: Cue | None = None

    def begin(self) -> str:
        """Return the header."""
        return self._syntax.header

    def add(self, event: Event) -> str:
        """Collect committed text; return what is known of cues when their utterances close."""
        if isinstance(event, Commit):
            self._utterances.say(event)
            self._end = event.audio_s
        elif isinstance(event, Source) and event.committed:
            return self._release(_ms(event.committed[0].start))
        elif isinstance(event, Close):
            self._start = event.end
            return self._cue(self._utterances.close(event), event.start, event.end)
        return ""

    def end(self) -> str:
        """Return the cue that waits, and one of what was committed in the open utterance."""
        return self._cue(self._utterances.text, self._start, self._end) + self._release()

    def _cue(self, text: str, start: float, end: float) -> str:
        line = one_line(text)
        if not line:
            return ""
        before = self._release(_ms(start))
        begin = max(_ms(start), self._free)
        self._short = Cue(line, begin, max(_ms(end), begin))
        if self._short.end - begin < SHORTEST:
            return before
        return before + self._release()

    def _release(self, until: int | None = None) -> str:
        """Return the cue that waits, which gives way to one that begins at ``until``."""
        if self._short is None:
            return ""
        cue, self._short = self._short, None
        readable = max(cue.end, cue.start + SHORTEST)
        end = max(cue.start + 1, readable if until is None else min(readable, until))
        self._number, self._free = self._number + 1, end
        times = f"{self._clock(cue.start)} --> {self._clock(end)}"
        return f"{self._number}\n{times}\n{self._syntax.escaped(cue.text)}\n\n"

    def _clock(self, ms: int) -> str:
        hours, minutes, rest = ms // 3600000, ms // 60000 % 60, ms // 1000 % 60
        return f"{hours:02}:{minutes:02}:{rest:02}{self._syntax.point}{ms % 1000:03}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def srt() -> Subtitles:
    """Return SRT, in which tags such as ``<i>`` or ``{y:i}`` and ``-->`` cannot be escaped.

    A word joiner after their first character keeps players from taking text for them.
    """
    return Subtitles(Syntax("", ",", lambda text: _SRT_SYNTAX.sub(rf"\g<0>{WORD_JOINER}", text)))


def vtt() -> Subtitles:
    """Return WebVTT, in which ``&``, ``<`` and ``>`` are written as character references."""
    return Subtitles(Syntax("WEBVTT\n\n", ".", lambda text: html.escape(text, quote=False)))
