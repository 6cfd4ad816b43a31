"""Source words as recognisers hear them: the same words, written less well."""

import re
from collections.abc import Callable
from enum import StrEnum
from functools import partial

Words = tuple[str, ...]


class Style(StrEnum):
    """How a recogniser writes."""

    WRITTEN = "as written"
    PLAIN = "without punctuation"
    LOWER = "in lower case, without punctuation"
    COMMAS = "without commas"


_MARKS = r"[.,;:!?…。，、；：！？\"“”„«»‘()\[\]—–]"
_EDGES = re.compile(rf"^(?:{_MARKS}|\s)+|(?:{_MARKS}|\s)+$")
_COMMAS = re.compile(r"[,，、;；:：]+$")


def _without(pattern: re.Pattern[str], word: str) -> str:
    return pattern.sub("", word) or word


_WRITE: dict[Style, Callable[[str], str]] = {
    Style.WRITTEN: lambda word: word,
    Style.PLAIN: partial(_without, _EDGES),
    Style.LOWER: lambda word: _without(_EDGES, word).lower(),
    Style.COMMAS: partial(_without, _COMMAS),
}


def heard(words: Words, style: Style) -> Words:
    """Return as many words, written in a style; a word that is nothing but marks stays.

    What belongs to a word stays with it: apostrophes, hyphens, per cent and currency signs.
    """
    return tuple(map(_WRITE[style], words))
