"""Names and numbers that are the same in both languages, replaced by others.

A model learns so that they are kept, not which of them are frequent.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from alignatt4llm.adapt.passage import Passage
from alignatt4llm.text.languages import Pair

Pick = Callable[[int], int]
"""Draws an integer from 0 on, below the one given."""

_WORD = re.compile(r"[^\W_]+")
_LEAST = 2
"""Digits from which a number is replaced."""


def verbatim(passage: Passage, pair: Pair) -> list[str]:
    """Return the numbers and names that stand once in each language, within the sentence.

    Names are words with a capital that do not begin a side; in targets without spaces only numbers
    are sought.
    """
    source = pair.source.separator.join(passage.words)
    return [
        word
        for word in dict.fromkeys(_WORD.findall(source))
        if (_is_number(word) or (not pair.target.by_character and _is_name(word, source, passage)))
        and len(_places(word, source)) == len(_places(word, passage.target)) == 1
    ]


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) >= _LEAST


def _is_name(word: str, source: str, passage: Passage) -> bool:
    inside = not any(text.lstrip("¿¡\"'“„«(").startswith(word) for text in (source, passage.target))
    return word.istitle() and word.isalpha() and len(word) > _LEAST and inside


def _places(word: str, text: str) -> list[re.Match[str]]:
    """Find a word by itself; digits also beside letters of scripts without spaces."""
    joined = r"\d.,:" if word.isdigit() else r"\w"
    after = r"(?![.,:]?\d)" if word.isdigit() else r"(?!\w)"
    return list(re.finditer(rf"(?<![{joined}]){re.escape(word)}{after}", text))


def names(passages: Iterable[Passage], pair: Pair) -> tuple[str, ...]:
    """Return the names that passages keep, in order of the alphabet."""
    found = {word for passage in passages for word in verbatim(passage, pair)}
    return tuple(sorted(word for word in found if not word.isdigit()))


def replaced(passage: Passage, pair: Pair, pool: tuple[str, ...], pick: Pick) -> Passage:
    """Return a passage with other numbers, of as many digits, and other names, from a pool."""
    for word in verbatim(passage, pair):
        if _is_number(word):
            other = str(1 + pick(9)) + "".join(str(pick(10)) for _ in word[1:])
        else:
            other = pool[pick(len(pool))] if pool else word
        passage = _exchanged(passage, word, other, pair)
    return passage


def _exchanged(passage: Passage, word: str, other: str, pair: Pair) -> Passage:
    source = pair.source.separator.join(passage.words)
    found, *more = _places(word, passage.target)
    if more or _places(other, passage.target) or _places(other, source):
        return passage
    target = passage.target[: found.start()] + other + passage.target[found.end() :]
    words = tuple(
        one[: at[0].start()] + other + one[at[0].end() :] if (at := _places(word, one)) else one
        for one in passage.words
    )
    return replace(passage, words=words, target=target)
