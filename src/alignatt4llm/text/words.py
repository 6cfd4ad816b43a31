"""Recognised text into source words, in scripts with and without spaces."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise

from alignatt4llm.text.languages import Language, inseparable, unspaced

Span = tuple[int, int]
"""Half-open, in characters of a text."""

_THAI = "\u0e00"
"""Letters before it belong to alphabets: Latin, Greek, Cyrillic, Arabic and others."""


def split_words(text: str, language: Language) -> list[str]:
    """Split text into source words.

    Words are what spaces separate; in languages written without spaces, every character is one,
    and runs of Latin letters and digits stay whole. Punctuation belongs to the word before it,
    opening brackets and quotes to the word after it. Joining the words with the language's
    separator gives the text back, runs of white space being one space.
    """
    pieces = signs(text) if language.by_character else text.split()
    words: list[str] = []
    for piece in pieces:
        if words and _belong_together(words[-1], piece):
            words[-1] += language.separator + piece
        else:
            words.append(piece)
    return words


def word_spans(text: str, language: Language) -> list[Span]:
    """Return the characters of each source word; see `split_words`."""
    return spans(text, split_words(text, language))


def any_word_spans(text: str) -> list[Span]:
    """Return the characters of each word of a text in an unknown language, or in several.

    Words are what spaces separate, punctuation included; where one is written in a script without
    spaces, every character is one.
    """
    return spans(
        text,
        (
            word
            for run in text.split()
            for word in (signs(run) if any(map(unspaced, run)) else [run])
        ),
    )


def spans(text: str, pieces: Iterable[str]) -> list[Span]:
    """Return the characters of pieces that are all of a text; white space does not count."""
    places = [match.start() for match in re.finditer(r"\S", text)]
    ends = accumulate((sum(not c.isspace() for c in piece) for piece in pieces), initial=0)
    return [(places[first], places[end - 1] + 1) for first, end in pairwise(ends)]


def _belong_together(before: str, after: str) -> bool:
    if _says_something(before):
        return not (_says_something(after) or opens(after))
    return True


def signs(text: str) -> Iterator[str]:
    """Yield the written signs of a text without spaces, punctuation apart from what it follows.

    Marks stay with their letter, runs of Latin letters and digits whole; a space stays in front of
    what follows it.
    """
    sign = ""
    for character in " ".join(text.split()):
        if sign and not _continues(sign, character):
            yield sign
            sign = ""
        sign += character
    if sign:
        yield sign


def _continues(sign: str, character: str) -> bool:
    last = sign[-1]
    return last == " " or inseparable(last, character) or (_latin(last) and _latin(character))


def _latin(character: str) -> bool:
    """Whether the character stands in a word written with an alphabet, or in a number."""
    if character in "'’-_.":
        return True
    narrow = unicodedata.normalize("NFKC", character)[0]
    return narrow.isdigit() or (narrow.isalpha() and narrow < _THAI)


def _says_something(text: str) -> bool:
    return any(map(str.isalnum, text))


def opens(text: str) -> bool:
    """Whether a text begins with a bracket, quote or mark that belongs to what follows."""
    first = text.strip()[:1]
    return bool(first) and (unicodedata.category(first) in ("Ps", "Pi") or first in "¿¡")


def same(text: str) -> str:
    """Return what makes two spellings the same word: no case, no punctuation."""
    return "".join(filter(str.isalnum, text.casefold())) or text
