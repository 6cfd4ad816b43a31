"""Subtitles of any origin, read as cues."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pysubs2

from alignatt4llm.errors import UsageError
from alignatt4llm.files.reading import read_text
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.text.printable import one_line

FRAME = 34
"""Milliseconds of a frame of American television, rounded up."""


@dataclass(frozen=True, slots=True)
class Track:
    """The cues of a file in its order.

    Attributes
    ----------
    cues
        With their text as it shows, without markup.
    resolution
        Milliseconds by which times may be off in such a file.
    """

    cues: tuple[Cue, ...]
    resolution: int


def read_track(path: Path) -> Track:
    """Read a file of subtitles; its suffix says of which kind.

    Raises
    ------
    UsageError
        If it cannot be read, or is of no known kind.
    """
    name = path.suffix.lower().removeprefix(".")
    if name not in READERS:
        known = ", ".join(f".{kind}" for kind in READERS)
        raise UsageError(f"'{path}' is no kind of subtitles that can be read: {known}.")
    text = read_text(path)
    read, resolution = READERS[name]
    try:
        cues = tuple(read(text))
    except Exception as problem:  # whatever the libraries make of what is no such file
        raise UsageError(f"'{path}' is not subtitles as its name says: {problem}.") from problem
    return Track(cues, resolution)


def _lines(kind: str, mark: str) -> Callable[[str], Iterator[Cue]]:
    """Return what reads a kind of lines that holds a mark, unless it is empty."""

    def read(text: str) -> Iterator[Cue]:
        if mark not in text and text.strip():
            raise ValueError(f"it has no {mark}")
        for event in pysubs2.SSAFile.from_string(text, format_=kind):
            if event.is_comment or event.is_drawing:
                continue
            shown = _styled(event.text) if kind == "ass" else _plain(event.text)
            yield _cue(shown.split("\n"), event.start, event.end)

    return read


def _plain(text: str) -> str:
    """Return text whose tags were read as those of ASS, which begin with a backslash."""
    return re.sub(r"\{\\[^}]*\}", "", text).replace(r"\N", "\n")


def _styled(text: str) -> str:
    """Return the text of ASS without its overrides."""
    text = re.sub(r"(?<!\\)\{[^}]*\}", "", text)
    return re.sub(r"\\([Nnh{}])", lambda sign: _ESCAPES.get(sign[1], sign[1]), text)


_ESCAPES = {"N": "\n", "n": "\n", "h": " "}


def _web(text: str) -> Iterator[Cue]:
    from ttconv.vtt import reader

    if not text.startswith("WEBVTT") and text.strip():
        raise ValueError("it has no WEBVTT")
    yield from _modelled(reader.to_model(StringIO(text)))


def _imsc(text: str) -> Iterator[Cue]:
    from ttconv.imsc import reader

    root = ElementTree.fromstring(text.encode())
    yield from _modelled(reader.to_model(ElementTree.ElementTree(root)))


def _line21(text: str) -> Iterator[Cue]:
    from ttconv.scc import reader

    if not text.startswith("Scenarist_SCC"):
        raise ValueError("it does not begin with Scenarist_SCC")
    yield from _modelled(reader.to_model(text))


def _modelled(document: Any) -> Iterator[Cue]:
    """Yield the paragraphs of a document of ttconv."""
    from ttconv.model import P

    for element in document.get_body().dfs_iterator():
        if isinstance(element, P):
            since = sum(each.get_begin() or 0 for each in _around(element))
            start = since + (element.get_begin() or 0)
            if element.get_end() is None:
                raise ValueError(f"the cue at {float(start):.3f} s has no end")
            times = (round(time * 1000) for time in (start, since + element.get_end()))
            yield _cue(_shown(element), *times)


def _around(element: Any) -> Iterator[Any]:
    """Yield what an element stands in; its times count from the beginnings of these."""
    while (element := element.parent()) is not None:
        yield element


def _shown(paragraph: Any) -> list[str]:
    from ttconv.model import Br, Text

    lines = [""]
    for element in paragraph.dfs_iterator():
        if isinstance(element, Br):
            lines.append("")
        elif isinstance(element, Text):
            lines[-1] += element.get_text()
    return lines


def _cue(lines: list[str], start: int, end: int) -> Cue:
    return Cue(tuple(filter(None, map(one_line, lines))), start, end)


READERS: dict[str, tuple[Callable[[str], Iterator[Cue]], int]] = {
    "srt": (_lines("srt", "-->"), 1),
    "vtt": (_web, 1),
    "ass": (_lines("ass", "[Events]"), 10),
    "ssa": (_lines("ass", "[Events]"), 10),
    "ttml": (_imsc, 1),
    "dfxp": (_imsc, 1),
    "xml": (_imsc, 1),
    "itt": (_imsc, 1),
    "scc": (_line21, FRAME),
}
"""By suffix: what reads a kind of subtitles, and to how many milliseconds its times are rounded."""
