"""The table of outputs: what a translation can be written as.

To add one, write a file beside this one with a `Format`: a class, made of a `Style`, whose
``add(event)`` returns the text that an event adds (``begin()`` and ``end()`` are there for what
stands first and last). Then
add a line to `OUTPUTS`. Under its name it is an option of ``alignatt translate`` and
``alignatt listen`` (``--srt FILE``), the suffix of ``/transcripts/<session>.srt`` on the server,
and a ``response_format`` of ``/v1/audio/translations``.

Escape what your format gives a meaning: `text.printable` has what most of them need.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from alignatt4llm.events import Event
from alignatt4llm.outputs.base import Format, Output, OutputFile, written
from alignatt4llm.outputs.jsonl import JsonLines
from alignatt4llm.outputs.paragraphs import Paragraphs
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.subtitles import KINDS


@dataclass(frozen=True, slots=True)
class OutputKind:
    """One kind of output.

    Attributes
    ----------
    format
        Makes a format for one stream of events.
    media_type
        What the server calls it.
    help
        What ``--help`` says about it.
    for_all
        Whether all targets of a stream go into one file.
    """

    format: Callable[[Style], Format]
    media_type: str
    help: str
    for_all: bool = False

    def open(self, path: Path, style: Style, trace: bool = False) -> Output:
        """Begin a file; see `OutputFile`."""
        return OutputFile(path, self.format(style), trace)

    def text(self, events: Iterable[Event], style: Style) -> str:
        """Return the whole text of events."""
        return "".join(written(self.format(style), events))


OUTPUTS: dict[str, OutputKind] = {
    "jsonl": OutputKind(JsonLines, "application/jsonl", "write every event", for_all=True),
    "srt": OutputKind(KINDS["srt"], "application/x-subrip", "write subtitles"),
    "vtt": OutputKind(KINDS["vtt"], "text/vtt", "write web subtitles"),
    "ass": OutputKind(KINDS["ass"], "text/x-ssa", "write subtitles as ASS"),
    "ttml": OutputKind(KINDS["ttml"], "application/ttml+xml", "write subtitles as IMSC"),
    "scc": OutputKind(KINDS["scc"], "text/x-scc", "write line 21 captions, at the end"),
    "txt": OutputKind(Paragraphs, "text/plain", "write the translation, a line an utterance"),
}
"""Every output, under the name that is its option and its suffix."""
