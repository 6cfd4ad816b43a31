"""Words and their translation, joined and cut as a session does it."""

from collections.abc import Sequence
from dataclasses import dataclass

from alignatt4llm.calibrate.align import Links, Sentence
from alignatt4llm.text.languages import Language, Pair
from alignatt4llm.text.sentences import ends_clause, has_full_stop
from alignatt4llm.text.units import unit_spans
from alignatt4llm.text.words import split_words

LEAST = 3
"""Source words that a part has at least."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Source words and what they are in the target language.

    Attributes
    ----------
    words
        The source words (`split_words`).
    target
        Their translation.
    links
        Which word each unit of ``target`` (`units`) translates, by number.
    """

    words: tuple[str, ...]
    target: str
    links: Links

    @classmethod
    def of(cls, sentence: Sentence, pair: Pair) -> "Passage":
        """Take a sentence as it is."""
        return cls(
            tuple(split_words(sentence.source, pair.source)), sentence.target, sentence.links
        )

    def gold(self, pair: Pair) -> tuple[frozenset[int], ...]:
        """Return the source words of each unit of the target."""
        count = len(unit_spans(self.target, pair.target))
        return tuple(frozenset(i for i, j in self.links if j == unit) for unit in range(count))


def join(passages: Sequence[Passage], pair: Pair) -> Passage:
    """Make one utterance of several, as when nothing in the speech parts them."""
    links: set[tuple[int, int]] = set()
    words: list[str] = []
    target = ""
    for passage in passages:
        first = len(unit_spans(target, pair.target))
        links |= {(i + len(words), j + first) for i, j in passage.links}
        words += passage.words
        target += (pair.target.separator if target else "") + passage.target
    return Passage(tuple(words), target, frozenset(links))


def breaks(passage: Passage, pair: Pair) -> list[tuple[int, int]]:
    """Return where a passage falls into two that translate each other.

    That is where both languages make a pause, a comma at least, and no link crosses.

    Returns
    -------
    list of (word, unit)
        The first source word, and the first unit of the target, of the second part.
    """
    spans = unit_spans(passage.target, pair.target)
    pauses = [
        n
        for n in range(1, len(spans))
        if _pauses(passage.target[slice(*spans[n - 1])], pair.target)
    ]
    places = range(LEAST, len(passage.words) - LEAST + 1)
    return [
        (word, unit)
        for word in places
        if _pauses(passage.words[word - 1], pair.source)
        for unit in pauses
        if all((i < word) == (j < unit) for i, j in passage.links)
    ]


def _pauses(text: str, language: Language) -> bool:
    return ends_clause(text, language) or has_full_stop(text, language)


def cut(passage: Passage, at: tuple[int, int], pair: Pair) -> tuple[Passage, Passage]:
    """Return the two parts of a passage, divided at one of its `breaks`."""
    word, unit = at
    spans = unit_spans(passage.target, pair.target)
    first = Passage(
        passage.words[:word],
        passage.target[: spans[unit - 1][1]],
        frozenset((i, j) for i, j in passage.links if i < word),
    )
    second = Passage(
        passage.words[word:],
        passage.target[spans[unit][0] :],
        frozenset((i - word, j - unit) for i, j in passage.links if i >= word),
    )
    return first, second
