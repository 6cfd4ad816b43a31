"""Pieces of words as recognisers give them into words, one rule for all of them.

A piece belongs to the word before it unless a space separates them; signs stay. Where a text falls
into words is `split_words`' to say.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from alignatt4llm.events import SourceWord
from alignatt4llm.text.languages import Language
from alignatt4llm.text.words import is_spoken, words_after


def are_pieces(texts: Iterable[str], language: Language) -> bool:
    """Whether texts carry their spaces, as pieces do; otherwise each is a word."""
    return not language.by_character and any(text[:1].isspace() for text in texts)


class Group(NamedTuple):
    """Which pieces make a word.

    Attributes
    ----------
    word
        As `split_words` has it.
    first, last
        Its first and its last piece, punctuation apart, in which nobody speaks.
    begin, end
        Where in these it begins and ends, as shares of them.
    """

    word: str
    first: int
    last: int
    begin: float
    end: float


def grouped(texts: Sequence[str], language: Language, known: str = "") -> list[Group]:
    """Group pieces to words.

    Parameters
    ----------
    texts
        The pieces in order, the spaces between words included; joined they are what was said.
    language
        What is spoken.
    known
        The beginning of that which is final already; see `words_after`.

    Returns
    -------
    list of Group
        The words beyond it; none where nothing is said.
    """
    text = "".join(texts)
    if not any(map(str.isalnum, text)):
        return []
    begins = [*accumulate(map(len, texts), initial=0)][:-1]
    groups = []
    for word, (start, end) in words_after(known, text, language):
        pieces = range(bisect_right(begins, start) - 1, bisect_left(begins, end))
        said = [index for index in pieces if is_spoken(texts[index])] or pieces
        first, last = said[0], said[-1]
        begin = _share(texts[first], start - begins[first])
        groups.append(Group(word, first, last, begin, _share(texts[last], end - begins[last])))
    return groups


def joined(pieces: Sequence[SourceWord], language: Language, known: str = "") -> list[SourceWord]:
    """Join timed pieces to words; parameters as for `grouped`.

    Each word lasts from the start of its first piece to the end of its last.
    """
    words = []
    for word, first, last, begin, end in grouped([one.text for one in pieces], language, known):
        early, late = pieces[first], pieces[last]
        start = early.start + begin * (early.end - early.start)
        words.append(SourceWord(word, start, late.end - (1 - end) * (late.end - late.start)))
    return words


def _share(piece: str, at: int) -> float:
    """Where a position lies in what a piece says, from 0 to 1."""
    before, said = len(piece) - len(piece.lstrip()), len(piece.strip())
    return min(1.0, max(0.0, (at - before) / max(1, said)))
