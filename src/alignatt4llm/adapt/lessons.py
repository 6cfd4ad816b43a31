"""What a model is taught: what an interpreter says who has heard so much."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alignatt4llm.adapt.passage import Passage
from alignatt4llm.text.languages import Language, Pair
from alignatt4llm.text.sentences import without_full_stop
from alignatt4llm.text.units import is_boundary, trim, unit_spans

BEYOND = 4
"""Units after what can be said, whose rows are taught as well: their source has not arrived."""
WAITING = 2
"""Words that may be unread where a model is taught to end; after more, a session takes an end for
that of the sentence."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What has been heard, and what to say.

    Attributes
    ----------
    pair
        Direction.
    words
        The visible source words.
    target
        The translation, with what follows once more has been heard.
    accepted
        Characters of ``target`` that have been said already.
    said
        Characters of ``target`` that can be said, ``accepted`` included.
    ends
        Whether it is taught that nothing follows.
    gold
        Source words of each unit of ``target``; they may lie beyond the visible ones.
    visible
        Words of the source that have been heard right.
    """

    pair: Pair
    words: tuple[str, ...]
    target: str
    accepted: int
    said: int
    ends: bool
    gold: tuple[frozenset[int], ...]
    visible: int

    @property
    def is_whole(self) -> bool:
        """Whether everything that is translated has been heard."""
        return self.said == len(self.target)


def whole(passage: Passage, pair: Pair, *, closed: bool = True) -> Lesson:
    """Return a passage as it is when it closes; the target makes the full stop the source makes.

    Parameters
    ----------
    passage
        What was said.
    pair
        Direction.
    closed
        Whether the recogniser has heard the full stop at its end.
    """
    words, target = passage.words, passage.target
    if not closed:
        words = without_stop(words, pair.source)
    if words == without_stop(words, pair.source):
        target = without_full_stop(target, pair.target) or target
    gold = passage.gold(pair)[: len(unit_spans(target, pair.target))]
    return Lesson(pair, words, target, 0, len(target), True, gold, len(words))


def prefix(passage: Passage, pair: Pair, visible: int, *, misheard: bool = False) -> Lesson:
    """Return what can be said when the first ``visible`` words have been heard.

    Parameters
    ----------
    passage
        What will have been said.
    pair
        Direction.
    visible
        From 1 to one less than there are.
    misheard
        Whether only the beginning of the last word was heard: it can be relied on for nothing.
    """
    gold = passage.gold(pair)
    words = without_stop(passage.words[:visible], pair.source)
    heard = visible - misheard
    if misheard:
        words = (*words[:-1], words[-1][: max(1, len(words[-1]) // 2)])
    spans = unit_spans(passage.target, pair.target)
    count = supported(gold, heard)
    end = spans[count - 1][1] if count else 0
    covered = max((max(one) for one in gold[:count] if one), default=-1)
    said = trim(passage.target, end, pair.target, ended=count == len(spans))
    if covered >= heard - 1 or said == len(passage.target):  # the source has made no full stop
        said = len(without_full_stop(passage.target[:said], pair.target))
    shown = passage.target[: spans[min(len(spans), count + BEYOND) - 1][1]]
    ends = covered < 0 or heard - 1 - covered <= WAITING
    gold = gold[: len(unit_spans(shown, pair.target))]
    return Lesson(pair, words, shown, 0, said, ends, gold, heard)


def supported(gold: Sequence[frozenset[int]], visible: int) -> int:
    """Count the units that an interpreter can say after the first ``visible`` words.

    These are all before the first that translates a word still to come; units without a link that
    stand last wait for it, because they often belong to it, as articles do.
    """
    late = (n for n, words in enumerate(gold) if max(words, default=-1) >= visible)
    count = next(late, len(gold))
    while count and not gold[count - 1]:
        count -= 1
    return count


def continued(lesson: Lesson, share: float) -> Lesson:
    """Return a lesson of which about a share, 0 to 1, has been said already."""
    language = lesson.pair.target
    places = [
        end
        for _, end in unit_spans(lesson.target, language)
        if end < lesson.said and is_boundary(lesson.target, end, language)
    ]
    places = [0, *places]
    return replace(lesson, accepted=places[min(int(share * len(places)), len(places) - 1)])


def without_stop(words: tuple[str, ...], language: Language) -> tuple[str, ...]:
    """Return words of which the last carries no full stop, as in a session that goes on."""
    return (*words[:-1], without_full_stop(words[-1], language) or words[-1]) if words else words
