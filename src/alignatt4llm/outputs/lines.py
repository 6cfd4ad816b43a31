"""Lines that roll up: where a line may end, and when the next begins.

The text only grows. A line is filled before the next begins, and none but the last ever changes;
whoever shows lines asks `parts` where they may end, and puts each part on the last line if there is
room. `Lines` does so where letters have a fixed width; on web pages ``lines.js`` does, by pixels.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

from alignatt4llm.outputs.breaks import within_phrases
from alignatt4llm.outputs.cues import Said, spans_of
from alignatt4llm.text.languages import Language, inseparable

_NEVER_FIRST = "ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ々ゝゞヽヾ"
"""Signs of Japanese that change or repeat the one before, as JIS X 4051 has them."""


def parts(text: str, language: Language) -> list[str]:
    """Split text that was said where a line may end; joining the parts gives it back.

    White space stands before the part that follows it.
    """
    begun = _begun(text, language)
    first, rest = text[:begun], text[begun:]
    spans = list(spans_of(rest, language))
    joints = (" " if rest[start - 1 : start].isspace() else "" for start, _ in spans)
    said = [Said(rest[a:b], 0, 0, joint) for (a, b), joint in zip(spans, joints, strict=True)]
    within = within_phrases(said, language)
    ends = [spans[at - 1][1] for at in range(1, len(spans)) if at not in within]
    cuts = [0, *ends, len(rest)]
    return [part for part in (first, *(rest[a:b] for a, b in pairwise(cuts))) if part]


def joins(text: str, language: Language) -> bool:
    """Whether text goes on what was said before it, so that it cannot begin a line."""
    return _begun(text, language) > 0


def _begun(text: str, language: Language) -> int:
    """Return how many characters of a text belong to the word before it: signs that close."""
    before = "一" if language.by_character else "x"
    (_, end), *_ = spans_of(before + text, language)
    begun = end - 1
    while begun < len(text) and (text[begun] in _NEVER_FIRST or inseparable(before, text[begun])):
        begun += 1
    return begun


class Lines:
    """Lines of a fixed width that only ever grow.

    Parameters
    ----------
    room
        Width of a line.
    language
        Of the text.
    width
        Measures a text.

    Attributes
    ----------
    room
        Width of a line; what was said before another is set stays as it is.
    last
        The line that may still grow.
    """

    def __init__(self, room: int, language: Language, width: Callable[[str], float] = len) -> None:
        self.room, self._language, self._width = room, language, width
        self.last = ""

    def add(self, text: str) -> Iterator[str]:
        """Take text; yield the lines that are full, which never change."""
        joined = joins(text, self._language)
        for part in parts(text, self._language):
            fits = self._width((self.last + part).strip()) <= self.room
            if self.last and not (fits or joined):
                yield self.end()
            self.last = self.last + part if self.last else part.lstrip()
            joined = False

    def end(self) -> str:
        """Return the last line and begin another."""
        line, self.last = self.last, ""
        return line.rstrip()
