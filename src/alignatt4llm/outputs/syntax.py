"""How cues are written in each format of subtitles."""

import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pysubs2

from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.timed_text import around, paragraph

WORD_JOINER = "\u2060"
"""A character of no width, at which no player breaks a line."""
_SRT_SYNTAX = re.compile(r"[<{](?=.)|--(?=>)")


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a kind of subtitles is written.

    Attributes
    ----------
    header
        What stands before the cues, in a language.
    cue
        Writes a cue and its number, from 1.
    footer
        What stands after them.
    """

    header: Callable[[str], str]
    cue: Callable[[Cue, int], str]
    footer: str = ""


def _srt(cue: Cue, number: int) -> str:
    """Write a cue of SRT, in which tags such as ``<i>`` or ``{y:i}`` and ``-->`` have no escape.

    A word joiner after their first character keeps players from taking text for them.
    """
    lines = (_SRT_SYNTAX.sub(rf"\g<0>{WORD_JOINER}", line) for line in _all(cue))
    return _numbered(cue, number, ",", lines)


def _vtt(cue: Cue, number: int) -> str:
    """Write a cue of WebVTT; ``&``, ``<`` and ``>`` are character references."""
    return _numbered(cue, number, ".", (html.escape(line, quote=False) for line in _all(cue)))


def _ass(cue: Cue, _: int) -> str:
    """Write a line of ASS; braces are escaped, and a backslash says nothing."""
    lines = (
        line.replace("\\", f"\\{WORD_JOINER}").replace("{", r"\{").replace("}", r"\}")
        for line in _all(cue)
    )
    event = pysubs2.SSAEvent(start=cue.start, end=cue.end, text=r"\N".join(lines))
    file = pysubs2.SSAFile()
    header = len(file.to_string("ass"))
    file.append(event)
    return file.to_string("ass")[header:]


def _numbered(cue: Cue, number: int, point: str, lines: Iterable[str]) -> str:
    times = f"{_clock(cue.start, point)} --> {_clock(cue.end, point)}"
    return "\n".join([str(number), times, *lines]) + "\n\n"


def _clock(ms: int, point: str) -> str:
    hours, minutes, rest = ms // 3600000, ms // 60000 % 60, ms // 1000 % 60
    return f"{hours:02}:{minutes:02}:{rest:02}{point}{ms % 1000:03}"


def _all(cue: Cue) -> tuple[str, ...]:
    return (*cue.lines, *cue.below)


SYNTAXES = {
    "srt": Syntax(lambda _: "", _srt),
    "vtt": Syntax(lambda _: "WEBVTT\n\n", _vtt),
    "ass": Syntax(lambda _: pysubs2.SSAFile().to_string("ass"), _ass),
    "ttml": Syntax(lambda code: around(code)[0], lambda cue, _: paragraph(cue), around("")[1]),
}
"""By suffix: what can be written while it grows."""
