"""How steady what is shown of a run is, and how well it can be read as live subtitles."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

from alignatt4llm.events import Close, Commit, Event, Preview, from_json
from alignatt4llm.files.reading import read_lines
from alignatt4llm.outputs.captions import LiveCues
from alignatt4llm.outputs.check import characters, violations
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.style import Style
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.prefix import common_prefix
from alignatt4llm.text.units import units

RULES = "netflix"
"""Rules of the subtitles that are counted."""
Row = tuple[float, float]
"""What was counted of a recording, and what it is divided by."""


def _events(path: Path) -> Iterator[Event]:
    return map(from_json, read_lines(path))


def _erased(path: Path, pair: Pair) -> Row:
    """Count the units of said text that were taken back, and all that were said."""
    return _flicker(_said(_events(path)), pair)


def _erased_with_preview(path: Path, pair: Pair) -> Row:
    """Count the units of said text and preview that were taken back, and all that were said."""
    return _flicker(_shown(_events(path)), pair)


def _said(events: Iterator[Event]) -> Iterator[str]:
    text = ""
    for event in events:
        if isinstance(event, Commit):
            text += event.text
            yield text


def _shown(events: Iterator[Event]) -> Iterator[str]:
    """Yield what stands there when nothing more is said at that moment."""
    text = ""
    for event in events:
        if isinstance(event, Commit):
            text += event.text
        elif isinstance(event, Preview):
            yield f"{text} {event.text}"
        elif isinstance(event, Close):
            yield text
    yield text


def _flicker(texts: Iterator[str], pair: Pair) -> Row:
    """Count the units that each text takes back of the one before it, and those of the last.

    A unit that only grows is not taken back, and white space does not count.
    """
    erased, before, ends = 0, "", list[int]()
    for text in texts:
        now = units(text, pair.target)
        joined = "".join(now)
        erased += len(ends) - bisect_right(ends, common_prefix(before, joined))
        before, ends = joined, list(accumulate(map(len, now)))
    return float(erased), float(len(ends))


def _reading_speed(path: Path, pair: Pair) -> Row:
    cues, style = _cues(path, pair)
    read = sum(characters(cue, style.rules) for cue in cues)
    return read, sum(cue.end - cue.start for cue in cues) / 1000


def _cues_within(path: Path, pair: Pair) -> Row:
    cues, style = _cues(path, pair)
    wrong = {violation.cue for violation in violations(cues, style.rules)}
    return float(len(cues) - len(wrong)), float(len(cues))


def _cues(path: Path, pair: Pair) -> tuple[list[Cue], Style]:
    style = Style.of(pair, RULES)
    live, cues = LiveCues(style), list[Cue]()
    for event in _events(path):
        cues.extend(live.add(event))
    return [*cues, *live.end()], style


READABILITY: dict[str, tuple[Callable[[Path, Pair], Row], str]] = {
    "erasure": (_erased, "normalized erasure|said text"),
    "preview_erasure": (_erased_with_preview, "normalized erasure|said text and preview"),
    "characters_per_second": (_reading_speed, f"reading speed|live subtitles|rules:{RULES}"),
    "cues_within": (_cues_within, f"share of cues|live subtitles|rules:{RULES}"),
}
"""By the name of a figure: counts a recording's events, and its signature."""
