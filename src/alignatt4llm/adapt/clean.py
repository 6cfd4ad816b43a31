"""Sentence pairs that teach the wrong thing, and the reasons for which they are left out."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from alignatt4llm.calibrate.align import Sentence
from alignatt4llm.text.languages import Language, Pair
from alignatt4llm.text.units import units
from alignatt4llm.text.words import split_words

LONGEST = 80
"""Source words above which a pair is left out."""
COPIED = 0.6
"""Share of target words that also stand in the source from which a pair is a copy."""
LINKED = 0.4
"""Share of source or target words, whichever is larger, that must be linked."""
UNEVEN = 2.5
"""How many times longer or shorter than usual a target may be."""

_NUMBER = re.compile(r"\d+(?:[.,  ’']\d{3})*(?:[.,:]\d+)*")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of sentence pairs.

    Attributes
    ----------
    pairs
        Source and target of those that are kept, in order.
    left_out
        How many are not, by reason.
    """

    pairs: tuple[tuple[str, str], ...]
    left_out: Counter[str] = field(default_factory=Counter)


def clean(pairs: Sequence[tuple[str, str]], pair: Pair) -> Kept:
    """Keep the sentence pairs that can be taught, each source once."""
    usual = _usual_length(pairs, pair)
    kept: dict[str, tuple[str, str]] = {}
    left_out: Counter[str] = Counter()
    for source, target in ((one.strip(), other.strip()) for one, other in pairs):
        reason = "said before" if source in kept else wrong(source, target, pair, usual)
        if reason:
            left_out[reason] += 1
        else:
            kept[source] = (source, target)
    return Kept(tuple(kept.values()), left_out)


def _usual_length(pairs: Sequence[tuple[str, str]], pair: Pair) -> float:
    """Return how many characters of the target a character of the source usually has."""
    ratios = [len(target) / len(source) for source, target in pairs if source and target]
    return median(ratios) if ratios else 1.0


def wrong(source: str, target: str, pair: Pair, usual: float = 1.0) -> str:
    """Return why a sentence pair should not be taught; empty if it may be.

    Parameters
    ----------
    source, target
        The sentences.
    pair
        Direction.
    usual
        Characters of the target that a character of the source usually has.
    """
    if not (_says_something(source) and _says_something(target)):
        return "empty"
    if len(split_words(source, pair.source)) > LONGEST:
        return "long"
    tests: dict[str, Callable[[], bool]] = {
        "copied": lambda: is_copy(source, target, pair),
        "of uneven length": lambda: _is_uneven(len(target), len(source) * usual),
        "with other numbers": lambda: numbers(source) != numbers(target),
    }
    return next((reason for reason, test in tests.items() if test()), "")


def _says_something(text: str) -> bool:
    return any(map(str.isalnum, text))


def _is_uneven(length: int, expected: float) -> bool:
    """Whether a length is far off; a few characters more or less are not."""
    slack = 10
    return not (expected - slack) / UNEVEN <= length <= (expected + slack) * UNEVEN


def is_copy(source: str, target: str, pair: Pair) -> bool:
    """Whether most words of the target stand in the source; names and numbers alone may."""
    said, heard = _bare(target, pair.target), set(_bare(source, pair.source))
    plain = [word for word in said if not word.isdigit()]
    shared = sum(word in heard for word in plain)
    return shared > 2 and shared >= COPIED * len(plain)


def _bare(text: str, language: Language) -> list[str]:
    pieces = units(text, language) if language.by_character else re.findall(r"\w+", text)
    return [piece.lower() for piece in pieces if piece.isalnum()]


def numbers(text: str) -> Counter[str]:
    """Count the numbers of a text by their digits, however these are grouped."""
    return Counter(re.sub(r"\D", "", found[0]) for found in _NUMBER.finditer(text))


def is_badly_linked(sentence: Sentence, pair: Pair) -> bool:
    """Whether so few words are linked that the sentences may not translate each other."""
    words, said = (len(split_words(sentence.source, pair.source)), sentence.target)
    linked_words = len({word for word, _ in sentence.links}) / max(1, words)
    linked_units = len({unit for _, unit in sentence.links}) / max(1, len(units(said, pair.target)))
    return max(linked_words, linked_units) < LINKED
