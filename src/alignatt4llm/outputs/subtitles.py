"""Subtitles: what is said, laid out in cues."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from alignatt4llm.events import Event
from alignatt4llm.outputs import line21
from alignatt4llm.outputs.base import Format
from alignatt4llm.outputs.captions import FinalCues, LiveCues
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.syntax import SYNTAXES, Syntax
from alignatt4llm.text.languages import Language

MARK = "\u200f"
"""A character of no width that is written from the right."""


class Subtitles(Format):
    """Cues, written as utterances close; if asked for, the best ones in the end.

    Parameters
    ----------
    syntax
        How they are written.
    style
        Languages and rules.
    """

    def __init__(self, syntax: Syntax, style: Style) -> None:
        super().__init__(style)
        self._syntax = syntax
        self.footer = syntax.footer
        self._live = LiveCues(style)
        self._final = FinalCues(style) if style.final else None
        self._number = 0

    def begin(self) -> str:
        """Return the header."""
        return self._syntax.header(self.style.pair.target.code)

    def add(self, event: Event) -> str:
        """Return the cues that are known now."""
        if self._final:
            self._final.add(event)
        return "".join(map(self._next, self._live.add(event)))

    def end(self) -> str:
        """Return the cues that are left."""
        return "".join(map(self._next, self._live.end()))

    def anew(self) -> str:
        """Return the whole, laid out when all of it is known."""
        if self._final is None:
            return ""
        self._number = 0
        cues = "".join(map(self._next, self._final.end()))
        return self.begin() + cues + self.footer

    def _next(self, cue: Cue) -> str:
        self._number += 1
        return self._syntax.cue(directed(cue, self.style), self._number)


class Line21(Format):
    """Cues of line 21, all of them written at the end."""

    def __init__(self, style: Style) -> None:
        line21.check_letters(style.pair.target)
        below = style.source_rules
        if below:
            line21.check_letters(style.pair.source)
            below = replace(below, line=min(below.line, line21.LINE))
        rules = replace(style.rules, line=min(style.rules.line, line21.LINE))
        super().__init__(replace(style, rules=rules, source_rules=below))
        self._cues = FinalCues(self.style, line21.encodable, line21.LOADING)

    def begin(self) -> str:
        """Return the header."""
        return line21.HEADER

    def add(self, event: Event) -> str:
        """Collect what is said."""
        self._cues.add(event)
        return ""

    def end(self) -> str:
        """Return the cues."""
        return line21.written(self._cues.end())


def directed(cue: Cue, style: Style) -> Cue:
    """Return a cue whose lines show in the direction of their language, in whatever player."""
    lines = _directed(cue.lines, style.pair.target)
    return replace(cue, lines=lines, below=_directed(cue.below, style.pair.source))


def _directed(lines: tuple[str, ...], language: Language) -> tuple[str, ...]:
    if not language.from_right:
        return lines
    return tuple(f"{MARK}{line}{MARK}" for line in lines)


KINDS: dict[str, Callable[[Style], Format]] = {
    **{name: partial(Subtitles, syntax) for name, syntax in SYNTAXES.items()},
    "scc": Line21,
}
"""Every format of subtitles, by suffix."""
