"""The target side of a session: append-only text that ends at unit boundaries."""

from collections.abc import Sequence
from dataclasses import replace

from alignatt4llm.events import Piece
from alignatt4llm.text.languages import Language
from alignatt4llm.text.units import begins_unit


def emitted(pieces: Sequence[Piece], text: str) -> tuple[Piece, ...]:
    """Return the pieces that make up emitted text, of those that it was accepted from.

    Joined they are ``text``: accepting may change the white space in front, which the first
    piece then carries, and leave out the end.
    """
    remaining = text.lstrip()
    kept: list[Piece] = []
    for piece in pieces:
        part = piece.text if kept else piece.text.lstrip()
        if part and remaining:
            kept.append(replace(piece, text=part[: len(remaining)]))
            remaining = remaining[len(part) :]
    if kept:
        kept[0] = replace(kept[0], text=text[: len(text) - len(text.lstrip())] + kept[0].text)
    return tuple(kept)


def divided(
    pieces: Sequence[Piece], words: int, language: Language
) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Divide what was said of an utterance that is closed after its first ``words`` source words.

    The first part belongs to these, the second to later words, which are then counted from there.
    """
    at = _split(pieces, words, language)
    return tuple(pieces[:at]), tuple(Piece(piece.text, piece.word - words) for piece in pieces[at:])


def moved(pieces: Sequence[Piece], words: int, joint: str | None = None) -> list[Piece]:
    """Count the source words of pieces from so many words earlier.

    ``joint`` is the white space in front of them; None leaves it as it is.
    """
    result = [
        Piece(
            piece.text,
            piece.word + words if piece.word >= 0 else -1,
            tuple((word + words, share) for word, share in piece.sources),
        )
        for piece in pieces
    ]
    if result and joint is not None:
        result[0] = replace(result[0], text=joint + result[0].text.lstrip())
    return result


class Target:
    """The translation of the open utterance, and how it joins what was said before.

    Text only ever grows. ``accepted`` belongs to the open utterance; when the source closes,
    the part of it that belongs to later words moves to the next utterance without being said
    again.

    Parameters
    ----------
    language
        Of the translation.
    pieces
        What was said of the open utterance before.
    said_anything
        Whether anything was said before, in this utterance or another.
    """

    def __init__(
        self, language: Language, pieces: Sequence[Piece] = (), said_anything: bool = False
    ) -> None:
        self.language = language
        self._pieces = list(pieces)
        self._said_anything = said_anything

    @property
    def accepted(self) -> str:
        """Target text of the open utterance that has been committed."""
        return _text(self._pieces).strip()

    @property
    def covered(self) -> int:
        """Last source word of the open utterance that accepted text looks at; -1 for none."""
        return max((piece.word for piece in self._pieces), default=-1)

    def extend(self, pieces: list[Piece]) -> str:
        """Accept pieces and return the text to emit, separator from earlier text included."""
        text = _text(pieces)
        if not self._pieces:
            pieces = _stretch(pieces, len(text) - len(text.lstrip()), len(text))
            text = text.lstrip()
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
        closed, carried = divided(self._pieces, words, self.language)
        self._pieces = list(carried)
        return _text(closed).strip()

    def runs_ahead(self, words: int) -> bool:
        """Whether accepted text belongs to source words from ``words`` on."""
        return _split(self._pieces, words, self.language) < len(self._pieces)


def _split(pieces: Sequence[Piece], words: int, language: Language) -> int:
    """The cut before a unit that puts the fewest pieces on the wrong side; the last of several."""
    text = _text(pieces)
    best, at = len(pieces), len(text)
    wrong = fewest = sum(piece.word >= words for piece in pieces)
    for cut in range(len(pieces) - 1, 0, -1):
        at -= len(pieces[cut].text)
        wrong += -1 if pieces[cut].word >= words else pieces[cut].word >= 0
        if wrong < fewest and begins_unit(text, at, language):
            best, fewest = cut, wrong
    return best


def _stretch(pieces: Sequence[Piece], begin: int, end: int) -> list[Piece]:
    """Return characters ``begin`` to ``end`` of the joined text, still in pieces."""
    stretch, start = [], 0
    for piece in pieces:
        if text := piece.text[max(0, begin - start) : max(0, end - start)]:
            stretch.append(Piece(text, piece.word))
        start += len(piece.text)
    return stretch


def _text(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)
