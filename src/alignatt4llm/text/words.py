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
_INSIDE = "'’-_.,:/@&=+#%~?$€£"
"""Signs that stand inside words, numbers and addresses as well as between them."""
_SIGN = re.compile(r"(?!(?<!\w)[-–‑]\d)(?:(?<!\d)[\W_]|[\W_](?!\d))")
"""Whatever is no letter or digit, unless it stands between two digits or is a minus before one."""
_READ_ALOUD = "%‰&@#§°/"
"""Signs that are words when read, beside currencies and those of mathematics."""


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


def words_after(known: str, text: str, language: Language) -> list[tuple[str, Span]]:
    """Return the words of ``text`` that ``known``, its beginning, does not hold yet.

    Known words are final. Punctuation that follows the last of them comes too late and is left
    out, and so are letters that would make it another word; a number or sign that continues it
    (``12`` and ``.5%``) is said as a word of its own.

    Returns
    -------
    list of tuple
        Each word as `split_words` has it, and its characters in ``text``.
    """
    words = split_words(text, language)
    found = []
    for word, (start, end) in zip(words, spans(text, words), strict=True):
        rest = text[max(start, len(known)) : end].strip()
        if start >= len(known):
            found.append((word, (start, end)))
        elif rest and is_spoken(rest) and not rest[0].isalpha():
            found.append((" ".join(rest.split()), (end - len(rest), end)))
    return found


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
    if character in _INSIDE:
        return True
    narrow = unicodedata.normalize("NFKC", character)[0]
    return narrow.isdigit() or (narrow.isalpha() and narrow < _THAI)


def _says_something(text: str) -> bool:
    return any(map(str.isalnum, text))


def is_spoken(text: str) -> bool:
    """Whether anything of a text is said aloud: letters, digits, or signs such as % and €."""
    return any(
        sign.isalnum() or sign in _READ_ALOUD or unicodedata.category(sign) in ("Sc", "Sm")
        for sign in text
    )


def opens(text: str) -> bool:
    """Whether a text begins with a bracket, quote or mark that belongs to what follows."""
    first = text.strip()[:1]
    return bool(first) and (unicodedata.category(first) in ("Ps", "Pi") or first in "¿¡")


def same(text: str) -> str:
    """Return what makes two spellings the same word: no case, no punctuation.

    What is read aloud stays, and so do the signs between two digits and a minus: 12.5 is not 125,
    and -5 not 5.
    """
    return _SIGN.sub(lambda sign: sign[0] if _counts(sign[0]) else "", text.casefold()) or text


def _counts(sign: str) -> bool:
    return is_spoken(sign) or unicodedata.category(sign).startswith("M")
