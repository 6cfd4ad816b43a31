"""Text that says itself again, or only says the source again."""

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from operator import eq

from alignatt4llm.text.languages import Language
from alignatt4llm.text.units import begins_unit, trim
from alignatt4llm.text.words import same


@dataclass(frozen=True, slots=True)
class _Blocks:
    """What is repeated.

    Attributes
    ----------
    longest
        Items of the longest block.
    phrase
        Items that do not come again by chance.
    ratio
        Items that may translate one word of the source.
    digit
        Items that may say one digit of the source, and a sign before it.
    least
        Items of a repetition that is worth cutting.
    """

    longest: int
    phrase: int
    ratio: int
    digit: int
    least: int = 1


_IN_WORDS = _Blocks(longest=24, phrase=6, ratio=4, digit=2)
_IN_CHARACTERS = _Blocks(longest=48, phrase=12, ratio=6, digit=6)
_IN_UNIT = _Blocks(longest=12, phrase=24, ratio=12, digit=12, least=24)
"""Numbers may have many zeros."""

_GROUPED = re.compile(r"\S*\d(?:\s\d{3}(?!\d))+\S*|\S+")
"""A word; a number whose digits stand in groups of three is one."""
_MOST, _LONGEST = 2000, 120
"""Characters of a source that are searched, and of a block; a long utterance has 300."""


def kept(
    said: str, text: str, words: Sequence[str], language: Language, ended: bool = False
) -> int:
    """Return how many characters of a text may follow what was said; the rest runs away.

    A text runs away when it repeats a block of units more than twice as often as the source
    repeats anything, case and punctuation apart; then it may say the block as often as the
    source. Beside a source without repetition it may say a word three times, a few words twice
    and a long phrase once, and of what runs away the first. A number is one unit. A unit that
    repeats its own characters without end runs away, too.

    Parameters
    ----------
    said
        What was said before the text, which continues it.
    text
        What may follow.
    words
        The source words.
    language
        Of the text.
    ended
        Whether the last unit of the text is whole; otherwise it may still grow, and only its
        characters count.
    """
    whole, source = said + text, tuple(words)
    spans = _units(whole, language)
    sayable = trim(whole, len(whole), language, ended)
    complete = [(a, b) for a, b in spans if not any(map(str.isalnum, whole[sayable:b]))]
    before = sum(end <= len(said) for _, end in complete)
    blocks = _IN_CHARACTERS if language.by_character else _IN_WORDS
    bare = [same(whole[start:end]) for start, end in complete]
    count = _cut(bare, before, blocks, source)
    places = [complete[count - 1][1] if count else 0] if count < len(bare) else []
    signs = tuple(re.findall(r"\w+|[^\w\s]", " ".join(source)))
    for start, end in spans:
        if end > len(said):
            inside = whole[start:end]
            at = _cut(inside, max(0, len(said) - start), _IN_UNIT, signs)
            places += [start + at] if at < len(inside) else []
    return max(0, min(places, default=len(whole)) - len(said))


def _units(text: str, language: Language) -> list[tuple[int, int]]:
    """Return the characters of each unit: words, or characters and whole numbers.

    Signs belong to what stands before them.
    """
    if language.by_character:
        begins = (at for at in range(1, len(text)) if begins_unit(text, at, language))
        found = list(pairwise((0, *begins, len(text))))
    else:
        found = [match.span() for match in _GROUPED.finditer(text)]
    units: list[tuple[int, int]] = []
    for start, end in found:
        only_signs = not any(map(str.isalnum, text[start:end]))
        units.append((units.pop()[0] if units and only_signs else start, end))
    return units


def _cut(items: Sequence[Hashable], first: int, blocks: _Blocks, source: tuple[str, ...]) -> int:
    """Return how many items stand before what runs away beyond the ``first``; all if none does."""
    for count in range(first + 1, len(items) + 1):
        for size, run in _runs(items[:count], blocks.longest):
            if run >= _enough(size, 1, blocks):
                times = repetition(source, size, blocks.ratio, blocks.digit)
                if run >= _enough(size, times, blocks):
                    return max(first, count - run + (times - 1) * size)
    return len(items)


def _runs(items: Sequence[Hashable], longest: int) -> Iterator[tuple[int, int]]:
    """Yield for blocks of each size how many items at the end are those one block earlier.

    A block that only repeats a smaller one is left out.
    """
    count, found = len(items), list[tuple[int, int]]()
    for size in range(1, min(longest, count - 1) + 1):
        run = 0
        while run < count - size and items[count - 1 - run] == items[count - 1 - run - size]:
            run += 1
        if run and not any(size % part == 0 and size <= part + ran for part, ran in found):
            found.append((size, run))
            yield size, run


def _enough(size: int, times: int, blocks: _Blocks) -> int:
    """How many repeated items are too many, beside a source that says things so many times."""
    several = 2 * times * size + (size == 1)
    return max(blocks.least, several if times > 1 else min(several, blocks.phrase))


@lru_cache(64)
def repetition(words: tuple[str, ...], size: int = 1, ratio: int = 1, digit: int = 1) -> int:
    """Return how many times a source says the same again; 1 if it never does.

    Counted are words and digits in succession, syllables of which there are three or more
    (``hahaha``), and phrases wherever they come again; each only if ``size`` units may be its
    translation, at most ``ratio`` for each word and ``digit`` for each digit.
    """
    parts = [part for word in words for part in re.findall(r"\d|\D+", same(word))]
    widths = [digit if part.isdigit() else ratio for part in parts]
    times = _successive(parts[:_MOST], widths, size)
    text = "".join(parts)[:_MOST]
    spoken = [not character.isdigit() for character in text]
    if size <= ratio and (syllables := _successive(text, spoken, 1)) > 2:
        times = max(times, syllables)
    return max(times, _recurring(parts)) if size > 2 else times


def _successive(items: Sequence[str], widths: Sequence[int] = (), width: int = 0) -> int:
    """How many times a block that is at least so wide stands in succession, at most.

    One item again and again is no block of several.
    """
    times = 1
    for size in range(1, min(len(items) // 2, _LONGEST) + 1):
        end = 0
        for equal, pairs in groupby(map(eq, items, items[size:])):
            start, end = end, end + sum(1 for _ in pairs)
            wide = sum(widths[start : start + size]) >= width
            if equal and wide and (size == 1 or len(set(items[start : start + size])) > 1):
                times = max(times, 1 + (end - start) // size)
    return times


def _recurring(parts: Sequence[str], count: int = 3, characters: int = 6) -> int:
    """How often the most frequent phrase of so many parts and characters comes."""
    phrases = Counter[str]()
    for first in range(len(parts)):
        last = first + count
        while last < len(parts) and sum(map(len, parts[first:last])) < characters:
            last += 1
        if last <= len(parts):
            phrases[" ".join(parts[first:last])] += 1
    return max(phrases.values(), default=1)


def repeats(target: str, words: Sequence[str]) -> bool:
    """Whether a target is nothing but successive words of the source, the last maybe cut.

    Capitals at the beginning of a word and what stands between words do not matter.
    """
    said, source = bare(target), [bare(word) for word in words]
    return bool(said) and any(
        "".join(source[first:]).startswith(said) for first in range(len(source))
    )


def bare(text: str) -> str:
    """Return the letters and digits of a text, the first of each word in lower case."""
    return "".join(word[0].lower() + word[1:] for word in re.findall(r"\w+", text))
