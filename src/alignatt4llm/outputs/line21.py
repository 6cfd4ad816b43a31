"""Cues for American television: Scenarist SCC, which holds the codes of line 21 (CEA-608)."""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from ttconv.scc.codes.extended_characters import SccExtendedCharacter
from ttconv.scc.codes.special_characters import SccSpecialCharacter
from ttconv.scc.codes.standard_characters import TO_SCC_BYTES

from alignatt4llm.errors import UsageError, extra
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.text.languages import Language

LINE = 32
"""Characters that a line holds."""
LOADING = 2000
"""Milliseconds before the first cue: it is sent before it shows."""
HEADER = "Scenarist_SCC V1.0\n\n"
if TYPE_CHECKING:
    from pycaption import CaptionNode

_STANDARD = frozenset(TO_SCC_BYTES)
_SPECIAL = frozenset(code.get_unicode_value() for code in SccSpecialCharacter)
_EXTENDED = frozenset(code.get_unicode_value() for code in SccExtendedCharacter)
_OTHER = {
    **{
        "„": '"',
        "‚": "'",
        "’": "'",
        "‹": "'",
        "›": "'",
        "…": "...",
        "–": "-",
        "‑": "-",
        "€": "EUR",
    },
    **{
        "ß": "s",
        "œ": "oe",
        "Œ": "OE",
        "æ": "ae",
        "Æ": "AE",
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
    },
    **{"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "ħ": "h", "Ħ": "H"},
}
"""What stands for signs that not all decoders have and that have no simpler form."""


def check_letters(language: Language) -> None:
    """See that a language can be written.

    Raises
    ------
    UsageError
        If it is not written in Latin letters.
    AlignattError
        If the library that writes them is not installed.
    """
    with extra("scc", "Writing SCC"):
        import pycaption  # noqa: F401
    import langcodes  # takes a tenth of a second

    if langcodes.Language.get(language.code).maximize().script != "Latn":
        raise UsageError(
            f"SCC holds Latin letters only, and {language.name} is written in others; "
            "name a file that ends in .srt, .vtt, .ass or .ttml."
        )


@cache
def encodable(text: str) -> str:
    """Return a text as it can be sent.

    A letter that older decoders do not have is sent after a simpler one, which it replaces on the
    screen; one that none has becomes a simpler one.
    """
    return "".join(map(_sent, unicodedata.normalize("NFC", text)))


@cache
def _sent(character: str) -> str:
    if character in _STANDARD or character in _SPECIAL:
        return character
    parts = unicodedata.normalize("NFKD", character)
    simple = _OTHER.get(character, "".join(part for part in parts if part in _STANDARD))
    if character in _EXTENDED:
        return (simple[:1] or " ") + character
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return ""
    return simple or "?"


def written(cues: Sequence[Cue]) -> str:
    """Return the whole file, without its header."""
    from pycaption import Caption, CaptionList, CaptionSet, SCCWriter

    if not cues:
        return ""
    found = CaptionList(
        Caption(cue.start * 1000, cue.end * 1000, list(_nodes(cue))) for cue in cues
    )
    text: str = SCCWriter().write(CaptionSet({"en": found}))
    return text.removeprefix(HEADER)


def _nodes(cue: Cue) -> Iterator["CaptionNode"]:
    from pycaption import CaptionNode

    for number, line in enumerate((*cue.lines, *cue.below)):
        if number:
            yield CaptionNode.create_break()
        yield CaptionNode.create_text(line)
