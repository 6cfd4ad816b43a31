"""Times for transcript words from an aligner that cuts text into words of its own.

Aligners drop punctuation, split or merge words at hyphens and between CJK characters, and write
numbers their own way. Both sides still spell the same letters, so times are carried over letter
by letter, and what has no counterpart is placed between its neighbours.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from alignatt4llm.events import SourceWord
from alignatt4llm.text.languages import Language
from alignatt4llm.text.words import split_words, words_after

Span = tuple[float, float]
"""Start and end in seconds."""


def give_times(
    words: Sequence[str], timed: Sequence[SourceWord], duration: float
) -> list[SourceWord]:
    """Give every transcript word its time.

    Parameters
    ----------
    words
        The transcript's words, punctuation included.
    timed
        What an aligner says about the same text: its own words, in order, in seconds.
    duration
        Length of the audio in seconds.

    Returns
    -------
    list of SourceWord
        One for each of ``words``, in order; starts and ends never decrease, and lie within the
        audio.
    """
    letters = [(letter, index) for index, word in enumerate(words) for letter in spelling(word)]
    spans = [span for word in timed for span in _letter_spans(word)]
    same = SequenceMatcher(
        None, [letter for letter, _ in letters], [letter for letter, _ in spans], autojunk=False
    )
    found: list[list[Span]] = [[] for _ in words]
    for block in same.get_matching_blocks():
        for offset in range(block.size):
            found[letters[block.a + offset][1]].append(spans[block.b + offset][1])
    known = [(seen[0][0], seen[-1][1]) if seen else None for seen in found]
    return list(_in_order(words, _without_gaps(words, known, duration), duration))


def continued(
    known: str, text: str, timed: Sequence[SourceWord], duration: float, language: Language
) -> list[SourceWord]:
    """Return the words that ``text`` has beyond its known beginning, with their times.

    Parameters are those of `give_times` and `words_after`.
    """
    before = split_words(known, language)
    after = [word for word, _ in words_after(known, text, language)]
    return give_times([*before, *after], timed, duration)[len(before) :]


def spelling(word: str) -> str:
    """Return the letters and digits of a word, without case and width."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", word).casefold()))


def _letter_spans(word: SourceWord) -> Iterator[tuple[str, Span]]:
    """Spread a word's time evenly over its letters."""
    letters = spelling(word.text)
    step = (word.end - word.start) / max(1, len(letters))
    for index, letter in enumerate(letters):
        yield letter, (word.start + index * step, word.start + (index + 1) * step)


def _without_gaps(
    words: Sequence[str], known: Sequence[Span | None], duration: float
) -> Iterator[Span]:
    """Place words without a time between their neighbours, by length."""
    at, index = 0.0, 0
    while index < len(words):
        here = known[index]
        if here is not None:
            at = here[1]
            index += 1
            yield here
            continue
        after = next((i for i in range(index, len(words)) if known[i] is not None), len(words))
        following = known[after] if after < len(words) else None
        until = max(at, following[0] if following else duration)
        rate = (until - at) / max(1, sum(len(word) for word in words[index:after]))
        for word in words[index:after]:
            yield at, at + rate * len(word)
            at += rate * len(word)
        index = after


def _in_order(words: Sequence[str], spans: Iterator[Span], duration: float) -> Iterator[SourceWord]:
    at = 0.0
    for word, (start, end) in zip(words, spans, strict=True):
        begin = min(max(start, at), duration)
        at = min(max(end, begin), duration)
        yield SourceWord(word, begin, at)
