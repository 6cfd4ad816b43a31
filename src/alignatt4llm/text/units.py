"""Target text into units: words, or characters in languages written without spaces."""

import re
from unicodedata import east_asian_width

from alignatt4llm.text.languages import Language, extends, inseparable, unspaced
from alignatt4llm.text.words import opens


def is_boundary(text: str, at: int, language: Language) -> bool:
    """Whether ``text`` may be cut before position ``at``, given what follows it.

    A unit is a run of letters and digits with the marks that combine with them; apostrophes and
    hyphens join it to what follows, and so do signs inside numbers, abbreviations and addresses
    (``3.5``, ``z.B.``, ``AT&T``, ``a.b/c``). In languages written without spaces every wide
    character is a unit of its own.
    """
    if at <= 0 or at >= len(text):
        return at == 0
    before, after = text[at - 1], text[at]
    if after.isspace() or before.isspace():
        return not before.isspace()
    if inseparable(before, after):
        return False
    if language.by_character and (_is_wide(before) or _is_wide(after)):
        return True
    base = next((char for char in reversed(text[:at]) if not extends(char)), " ")
    return base.isalnum() and not _joins(base, text[at:])


def _is_wide(character: str) -> bool:
    return east_asian_width(character) in "WF" or unspaced(character)


def _joins(before: str, rest: str) -> bool:
    """Whether ``rest`` continues the unit of ``before``; nobody knows what follows the end."""
    if rest[0].isalnum() or rest[0] in "'’-‑_":
        return True
    if rest[1:2].isspace() or opens(rest):
        return False
    return any(map(str.isalnum, rest.split(maxsplit=1)[0])) or (
        rest in (".", ",", ":") and before.isdigit()
    )


def begins_unit(text: str, at: int, language: Language) -> bool:
    """Whether a word or character, rather than punctuation that closes, begins at ``at``.

    The space in front of it belongs to it, and so do brackets and quotes that open.
    """
    character = language.by_character and (text[at].isalnum() or opens(text[at]))
    return (character or text[at].isspace()) and is_boundary(text, at, language)


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
