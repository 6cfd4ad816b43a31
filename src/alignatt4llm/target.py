"""The target side of a session: append-only text that ends at unit boundaries."""

import re
import unicodedata
from dataclasses import dataclass

from alignatt4llm.languages import Language, inseparable
from alignatt4llm.translators.base import loop_length


def is_boundary(text: str, at: int, language: Language) -> bool:
    """Whether ``text`` may be cut before position ``at``, given the character that follows it.

    Letters and digits that stand together are one unit; in languages written without spaces
    every other character is a unit of its own, and only runs of Latin letters stay whole.
    """
    if at <= 0 or at >= len(text):
        return at == 0
    before, after = text[at - 1], text[at]
    if inseparable(before, after):
        return False
    if after.isspace() or before.isspace():
        return not before.isspace()
    if language.by_character:
        return not (_joins(before) and _joins(after))
    return _in_word(before) and not (after.isalnum() or after in "'’-_")


def _in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")


def _joins(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character in "'-_.")


def trim(text: str, cut: int, language: Language, ended: bool) -> int:
    """Return the last unit boundary of ``text`` at or before ``cut``.

    The end of the text is a boundary only when the draft ended by itself; otherwise its last
    unit may still grow.
    """
    if cut >= len(text) and ended:
        return len(text)
    return next((at for at in range(cut, 0, -1) if is_boundary(text, at, language)), 0)


def units(text: str, language: Language) -> list[str]:
    """Split text into latency units: words, or characters in languages without spaces."""
    return [text[start:end] for start, end in unit_spans(text, language)]


def unit_spans(text: str, language: Language) -> list[tuple[int, int]]:
    """Return the characters of each unit; see `units`."""
    pattern = r"\S" if language.by_character else r"\S+"
    return [match.span() for match in re.finditer(pattern, text)]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of accepted text and the source word (of the open utterance) it looks at."""

    text: str
    word: int


class Target:
    """The translation of the open utterance, and how it joins what was said before.

    Text only ever grows. ``accepted`` belongs to the open utterance; when the source closes,
    the part of it that belongs to later words moves to the next utterance without being said
    again.
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self._pieces: list[Piece] = []
        self._said_anything = False

    @property
    def accepted(self) -> str:
        """Target text of the open utterance that has been committed."""
        return "".join(piece.text for piece in self._pieces).strip()

    @property
    def covered(self) -> int:
        """Last source word of the open utterance that accepted text looks at; -1 for none."""
        return max((piece.word for piece in self._pieces), default=-1)

    def extend(self, pieces: list[Piece]) -> str:
        """Accept pieces and return the text to emit, separator from earlier text included.

        What would only say the end of the utterance over again is dropped.
        """
        pieces = self._without_loops(pieces)
        if not self._pieces and pieces:
            pieces = [Piece(pieces[0].text.lstrip(), pieces[0].word), *pieces[1:]]
        text = "".join(piece.text for piece in pieces)
        if not text:
            return ""
        joint = "" if self._pieces or not self._said_anything else self.language.separator
        self._pieces.extend(pieces)
        self._said_anything = True
        return joint + text

    def close(self, words: int) -> str:
        """End the utterance after its first ``words`` source words and return its text.

        Accepted text that belongs to later words becomes the beginning of the next utterance.
        """
        split = self._split(words)
        closed = "".join(piece.text for piece in self._pieces[:split])
        carried = [Piece(piece.text, piece.word - words) for piece in self._pieces[split:]]
        self._pieces = carried
        return closed.strip()

    def runs_ahead(self, words: int) -> bool:
        """Whether accepted text belongs to source words from ``words`` on."""
        return self._split(words) < len(self._pieces)

    def _split(self, words: int) -> int:
        """The cut at a unit boundary that puts the fewest pieces on the wrong side."""

        def wrong(cut: int) -> int:
            before = sum(piece.word >= words for piece in self._pieces[:cut])
            return before + sum(0 <= piece.word < words for piece in self._pieces[cut:])

        text = "".join(piece.text for piece in self._pieces)
        cuts, at = [], 0
        for index, piece in enumerate(self._pieces):
            if index and is_boundary(text, at, self.language):
                cuts.append(index)
            at += len(piece.text)
        return min([len(self._pieces), *reversed(cuts)], key=wrong)

    def _without_loops(self, pieces: list[Piece]) -> list[Piece]:
        while pieces:
            whole = self.accepted + "".join(piece.text for piece in pieces)
            if not loop_length(units(whole, self.language)):
                return pieces
            pieces = pieces[:-1]
        return pieces
