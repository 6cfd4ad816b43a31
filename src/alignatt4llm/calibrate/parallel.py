"""The parallel text that comes with the package: NTREX-128, in every language of the table.

``ntrex-128/ntrex-128.zip`` holds a file of sentences a language, ``de.txt``, line by line the same
in all of them, and one with the word alignment of English with it, ``en-de.links``, in Pharaoh
format as `align.read_sentences` has it. Two other languages are aligned through English.
"""

from collections import defaultdict
from importlib import resources
from zipfile import ZipFile

from alignatt4llm.calibrate.align import Links, Sentence, between_words, links_of
from alignatt4llm.calibrate.calibration import Corpus
from alignatt4llm.text.languages import Language, Pair

_FILE = resources.files("alignatt4llm.calibrate").joinpath("ntrex-128/ntrex-128.zip")
NAME = "NTREX-128, which comes with the package"
ALIGNER = "eflomal, intersection of both directions, through English"
PIVOT = "en"
CALIBRATION = 120
"""Sentences that heads are chosen on; the others are held out."""


def shipped_corpus(pair: Pair) -> Corpus:
    """Return the sentences of a direction, aligned."""
    sides = (pair.source, pair.target)
    with _FILE.open("rb") as file, ZipFile(file) as text:
        sources, targets = (_lines(text, f"{language.code}.txt") for language in sides)
        left, right = (_from_english(text, language) for language in sides)
    sentences = [
        Sentence(source, target, between_words(_through(one, other), source, pair))
        for source, target, one, other in zip(sources, targets, left, right, strict=True)
    ]
    return Corpus(NAME, sources, targets, sentences, CALIBRATION, ALIGNER)


def _lines(text: ZipFile, name: str) -> list[str]:
    return text.read(name).decode("utf-8").splitlines()


def _from_english(text: ZipFile, language: Language) -> list[Links]:
    """Return how English units are linked with those of a language, line by line."""
    if language.code != PIVOT:
        return links_of(_lines(text, f"{PIVOT}-{language.code}.links"))
    lines = _lines(text, f"{PIVOT}.txt")
    return [frozenset((unit, unit) for unit in range(len(line.split()))) for line in lines]


def _through(left: Links, right: Links) -> Links:
    """Link the units of two languages that are linked with the same unit of a third."""
    linked: dict[int, set[int]] = defaultdict(set)
    for pivot, unit in right:
        linked[pivot].add(unit)
    return frozenset((unit, other) for pivot, unit in left for other in linked[pivot])
