"""Recognised text into source words, in scripts with and without spaces."""

import unicodedata
from collections.abc import Iterator

from alignatt4llm.text.languages import Language, inseparable

_THAI = "\u0e00"
"""Letters before it belong to alphabets: Latin, Greek, Cyrillic, Arabic and others."""


def split_words(text: str, language: Language) -> list[str]:
    """Split text into source words.

    Words are what spaces separate; in languages written without spaces, every character is one,
    and runs of Latin letters and digits stay whole. Punctuation belongs to the word before it,
    opening brackets and quotes to the word after it. Joining the words with the language's
    separator gives the text back, runs of white space being one space.
    """
    pieces = _signs(text) if language.by_character else text.split()
    words: list[str] = []
    for piece in pieces:
        if words and _belong_together(words[-1], piece):
            words[-1] += language.separator + piece
        else:
            words.append(piece)
    return words


def _belong_together(before: str, after: str) -> bool:
    if _says_something(before):
        return not (_says_something(after) or _opens(after))
    return True


def _signs(text: str) -> Iterator[str]:
    """Yield characters of a text without spaces; a space stays in front of what follows it."""
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


def _opens(text: str) -> bool:
    return unicodedata.category(text.strip()[0]) in ("Ps", "Pi") or text.strip()[0] in "¿¡"


def same(text: str) -> str:
    """Return what makes two spellings the same word: no case, no punctuation."""
    return "".join(filter(str.isalnum, text.casefold())) or text
