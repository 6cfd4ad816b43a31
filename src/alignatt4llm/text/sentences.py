"""Where a sentence or a clause ends."""

import re
from collections.abc import Sequence
from functools import cache

from sentencex import segment

from alignatt4llm.text.abbreviations import ABBREVIATIONS, BEFORE_NUMBERS, WORDS
from alignatt4llm.text.languages import Language

_CLOSERS = "\"'”’“‘»«›‹)]}」』】）》〉"
_OPENERS = "\"'“‘„‚”’«»‹›([{「『【（《〈¿¡—–- "
_AMBIGUOUS = ".!?…‥"
_STOPS = _AMBIGUOUS + "。．｡！？‼⁇⁈⁉‽؟۔।॥"
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
    if not after or before[-1].rstrip(_CLOSERS + " ")[-1] not in _AMBIGUOUS + language.stops:
        return True
    return not _goes_on(before, after, language) and _splits(before, after, language)


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


def _goes_on(before: Sequence[str], after: str, language: Language) -> bool:
    """Whether the sentence goes on after an abbreviation, an ordinal or a quotation."""
    first = next(filter(str.isalnum, after), "")
    if first.islower() and any(word.lstrip(_OPENERS)[:1].isupper() for word in before):
        return True  # in a text with capitals sentences begin with one
    word = _bare(before[-1])
    if word.isdecimal() and language.ordinals:
        return len(word) < 4
    if len(word) == 1 and word.isupper() and not word.isascii():
        return True  # an initial; the splitter knows those of Latin letters
    if first.isdecimal() and word.casefold() in BEFORE_NUMBERS:
        return True
    return _is_one_of(word, ABBREVIATIONS.get(language.code, frozenset()))


def _splits(before: Sequence[str], after: str, language: Language) -> bool:
    """Whether the splitter for the language sees the end of a sentence before a word."""
    if _is_one_of(_bare(before[-1]), WORDS.get(language.code, frozenset())):
        return True
    text = language.separator.join(before).replace("…", "...")
    following = after.lstrip(_OPENERS) or after
    first, last = len(text.rstrip(_CLOSERS + " ")), len(text) + len(language.separator)
    at = 0
    for sentence in segment(language.code, text + language.separator + following):
        if first <= at <= last:
            return True
        at += len(sentence)
    return False


def _bare(word: str) -> str:
    """The last part of a word without what closes it, one full stop included."""
    return word.rstrip(_CLOSERS + " ").removesuffix(".").split(" ")[-1].lstrip(_OPENERS)


def _is_one_of(word: str, abbreviations: frozenset[str]) -> bool:
    return word in abbreviations or word.lower() in abbreviations
