"""Which lesson comes when: each is drawn from the seed and its number alone."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from alignatt4llm.adapt.corpus import Part
from alignatt4llm.adapt.lessons import Lesson, continued, prefix, whole
from alignatt4llm.adapt.noise import Style, heard
from alignatt4llm.adapt.passage import LEAST, Passage, breaks, cut, join
from alignatt4llm.adapt.verbatim import names, replaced
from alignatt4llm.errors import UsageError
from alignatt4llm.text.languages import Pair

Draw = np.random.Generator

MOST_WORDS = 60
"""Source words of joined sentences, at most."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How often what is taught: probabilities, each of all lessons unless said otherwise.

    Attributes
    ----------
    prefix
        Only the first words have been heard.
    misheard
        Of these, the last of them wrong.
    continued
        Some of the translation has been said already.
    joined
        Two or three sentences in one utterance.
    cut
        Only the part before, or after, a pause.
    open
        Of whole ones, the full stop at the end has not been heard.
    noisy
        Punctuation, or capitals too, have not been heard.
    renamed
        Names and numbers are replaced by others.
    """

    prefix: float = 0.55
    misheard: float = 0.15
    continued: float = 0.4
    joined: float = 0.2
    cut: float = 0.2
    open: float = 0.5
    noisy: float = 0.3
    renamed: float = 0.3

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it is a share, 0 to 1.")


@dataclass(frozen=True)
class Subject:
    """The passages of one direction in one set of data.

    Attributes
    ----------
    pair
        Direction.
    passages
        Its sentences.
    """

    pair: Pair
    passages: tuple[Passage, ...]

    @classmethod
    def of(cls, part: Part) -> "Subject":
        """Take the sentences of a part."""
        return cls(part.pair, tuple(Passage.of(one, part.pair) for one in part.sentences))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names that both languages write alike."""
        return names(self.passages, self.pair)


class Curriculum:
    """Lessons by number; directions take turns, within them their data, within these sentences.

    Parameters
    ----------
    directions
        The subjects of each direction; none of it may be empty.
    seed
        Of every draw.
    mix
        How often what is taught.
    """

    def __init__(
        self, directions: Sequence[Sequence[Subject]], seed: int, mix: Mix = Mix()
    ) -> None:
        self._directions, self._seed, self._mix = directions, seed, mix
        self._order = lru_cache(64)(self._shuffled)

    def __getitem__(self, number: int) -> Lesson:
        """Return a lesson by its number, from 0 on without end."""
        turn, direction = divmod(number, len(self._directions))
        subjects = self._directions[direction]
        turn, chosen = divmod(turn, len(subjects))
        subject = subjects[chosen]
        epoch, place = divmod(turn, len(subject.passages))
        first = self._order(direction, chosen, epoch)[place]
        draw = np.random.default_rng((self._seed, number))
        return lesson(subject, first, draw, self._mix)

    def _shuffled(self, direction: int, chosen: int, epoch: int) -> list[int]:
        count = len(self._directions[direction][chosen].passages)
        draw = np.random.default_rng((self._seed, direction, chosen, epoch))
        order: list[int] = draw.permutation(count).tolist()
        return order


def lesson(subject: Subject, first: int, draw: Draw, mix: Mix) -> Lesson:
    """Draw a lesson that begins with a sentence."""
    pair = subject.pair
    passage = _utterance(subject, first, draw, mix)
    if draw.random() < mix.renamed:
        passage = replaced(passage, pair, subject.names, lambda below: int(draw.integers(below)))
    if draw.random() < mix.noisy:
        style = list(Style)[1 + int(draw.integers(len(Style) - 1))]
        passage = replace(passage, words=heard(passage.words, style))
    made = _heard_so_far(passage, pair, draw, mix)
    return continued(made, draw.random()) if draw.random() < mix.continued else made


def _utterance(subject: Subject, first: int, draw: Draw, mix: Mix) -> Passage:
    """Draw what a session takes for an utterance: a sentence, several, or a part of one."""
    passage, kind = subject.passages[first], draw.random()
    if kind < mix.joined:
        following = subject.passages[first + 1 : first + 1 + int(draw.integers(1, 3))]
        for other in following:
            if len(passage.words) + len(other.words) <= MOST_WORDS:
                passage = join([passage, other], subject.pair)
        return passage
    if kind < mix.joined + mix.cut and (places := breaks(passage, subject.pair)):
        parts = cut(passage, places[int(draw.integers(len(places)))], subject.pair)
        return parts[int(draw.integers(2))]
    return passage


def _heard_so_far(passage: Passage, pair: Pair, draw: Draw, mix: Mix) -> Lesson:
    count = len(passage.words)
    if count < LEAST or draw.random() >= mix.prefix:
        return whole(passage, pair, closed=bool(draw.random() >= mix.open))
    visible = int(draw.integers(1, count))
    return prefix(passage, pair, visible, misheard=bool(draw.random() < mix.misheard))


def described(made: Lesson) -> Counter[str]:
    """Say in words, for counting, what kind a lesson is."""
    kinds = {
        f"{made.pair}": True,
        "whole": made.is_whole,
        "prefix": not made.is_whole,
        "goes on from what was said": made.accepted > 0,
        "waits": made.ends and not made.is_whole,
        "misheard at the end": made.visible < len(made.words),
    }
    return Counter(name for name, holds in kinds.items() if holds)
