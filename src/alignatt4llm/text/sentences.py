"""Where a sentence or a clause ends."""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from sentencex import segment

from alignatt4llm.text.abbreviations import (
    ABBREVIATIONS,
    BEFORE_NUMBERS,
    ENUMERATING,
    STARTERS,
    WORDS,
)
from alignatt4llm.text.languages import Language

_CLOSERS = "\"'”’“‘»«›‹)]}」』】）》〉"
_OPENERS = "\"'“‘„‚”’«»‹›([{「『【（《〈¿¡—–- "
_AMBIGUOUS = ".!?…‥"
_STOPS = _AMBIGUOUS + "。．｡！？‼⁇⁈⁉‽؟۔।॥"
_QUOTES, _QUOTING = "」』”", {"ja": ("と", "っ")}
"""What closes a quotation, and what then goes on with the sentence around it."""
_FIRST_WORD = re.compile(r"\w+")
_ROMAN = re.compile("[IVX]{2,}")
_JOINED = re.compile(r"\w\.[-‑]\w")
"""Inside abbreviations with a hyphen: *Dipl.-Ing.*, *J.-P.*"""
_BRACKETS = str.maketrans("", "", '()[]{}（）"“”„«»')
_UNABBREVIATED = re.compile(r"[@°]|[^\W\d_]-?\d")
"""In addresses, units and designations: *°C*, *COVID-19*."""
_PAUSES = ",;:—–，；：、،؛·"


def ends_sentence(before: Sequence[str], after: str, language: Language) -> bool:
    """Whether a sentence ends between two words.

    Parameters
    ----------
    before
        The words of the utterance up to there.
    after
        The next word, which tells the full stop of a sentence from an abbreviation's: *at 5 p.m.
        and*, *at 5 p.m. We*. Empty at the end of the stream: any full stop will do then.
    language
        What is spoken.
    """
    if not has_full_stop(before[-1], language):
        return False
    closed = before[-1].rstrip(_CLOSERS + " ")
    if not after or closed[-1] not in _AMBIGUOUS + language.stops:
        return not _quotes(before[-1], after, language)
    if _quotes(before[-1], after, language) or _goes_on(before, after, language):
        return False
    return _splits(before, after, language)


def has_full_stop(word: str, language: Language) -> bool:
    """Whether a word carries a sign that may end a sentence, or an abbreviation."""
    return bool(_full_stop(language).search(word))


def without_full_stop(text: str, language: Language) -> str:
    """Return text without the full stop at its end, the closers and spaces around it included."""
    return _full_stop(language).sub("", text.rstrip()).rstrip()


def ends_clause(word: str, language: Language) -> bool:
    """Whether a word carries a comma or another sign at which one may pause."""
    closed = word.rstrip(_CLOSERS + " ")
    return closed.endswith(tuple(_PAUSES)) and not closed.endswith(tuple(language.stops))


@cache
def _full_stop(language: Language) -> re.Pattern[str]:
    stops, closers = re.escape(_STOPS + language.stops), re.escape(_CLOSERS)
    return re.compile(rf"[{stops}]+[\s{stops}{closers}]*$")


def _quotes(word: str, after: str, language: Language) -> bool:
    """Whether a word ends a quotation inside a sentence: *「行く。」と言った*."""
    return word.rstrip()[-1] in _QUOTES and after.strip().startswith(
        _QUOTING.get(language.code, ("\0",))
    )


def _goes_on(before: Sequence[str], after: str, language: Language) -> bool:
    """Whether the sentence goes on after an abbreviation, an ordinal or a quotation."""
    first = next(filter(str.isalnum, after), "")
    capitals = any(word.lstrip(_OPENERS)[:1].isupper() for word in before)
    if first.islower() and capitals and not _is_clipped(after):
        return True  # in a text with capitals sentences begin with one
    word = _bare(before[-1])
    if _starts(word, after, language):
        return False
    if language.ordinals and (word.isdecimal() or _ROMAN.fullmatch(word)):
        return not word.isdecimal() or len(word) < 4
    if len(word) == 1 and word.isupper() and not word.isascii():
        return True  # an initial; the splitter knows those of Latin letters
    if first.isdecimal() and (word.casefold() in BEFORE_NUMBERS or _is_letter(word)):
        return True
    return bool(_JOINED.search(word)) or _is_one_of(word, ABBREVIATIONS, language)


def _splits(before: Sequence[str], after: str, language: Language) -> bool:
    """Whether the splitter for the language sees the end of a sentence before a word."""
    word = _bare(before[-1])
    if _starts(word, after, language) or _is_one_of(word, WORDS, language):
        return True
    if _UNABBREVIATED.search(word):
        return True
    text = language.separator.join(before).replace("…", "...").translate(_BRACKETS)
    following = after.lstrip(_OPENERS) or after
    first, last = len(text.rstrip(_CLOSERS + " ")), len(text) + len(language.separator)
    at = 0
    for sentence in segment(language.code, text + language.separator + following):
        if first <= at <= last:
            return True
        at += len(sentence)
    return False


def _starts(word: str, after: str, language: Language) -> bool:
    """Whether what follows an abbreviation must begin a sentence: it has a capital, and no name.

    After those that numbers follow it may be one: *Vol. I*.
    """
    following = after.lstrip(_OPENERS)
    if not following[:1].isupper() or word.casefold() in BEFORE_NUMBERS:
        return False
    start = _FIRST_WORD.match(following.casefold())
    common = start is not None and start[0] in STARTERS.get(language.code, ())
    return common or word.casefold() in ENUMERATING


def _is_clipped(after: str) -> bool:
    """Whether a word begins with an apostrophe, which no capital follows: *'t Was laat*."""
    return after[:1] in ("'", "’") and after[1:2].islower()


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.islower()


def _bare(word: str) -> str:
    """The last part of a word without what closes it, one full stop included."""
    return word.rstrip(_CLOSERS + " ").removesuffix(".").split(" ")[-1].lstrip(_OPENERS)


def _is_one_of(word: str, lists: Mapping[str, frozenset[str]], language: Language) -> bool:
    words = lists.get(language.code, frozenset())
    return word in words or word.lower() in words
