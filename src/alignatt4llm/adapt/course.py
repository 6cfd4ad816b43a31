"""Everything a model is taught and examined with, from files."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from alignatt4llm.adapt.corpus import LEAST, Data, Part, read_parts
from alignatt4llm.adapt.curriculum import Subject
from alignatt4llm.adapt.lessons import Lesson, prefix, whole
from alignatt4llm.adapt.passage import Passage
from alignatt4llm.errors import Tell, UsageError
from alignatt4llm.text.languages import Pair

CHOSEN_ON = 48
"""Sentences of a direction on which the heads to be taught are chosen."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be taught, and with which data.

    Attributes
    ----------
    pairs
        Directions.
    data
        Parallel text.
    test
        Other text whose last sentences are held out; by default those of the first data that has
        the direction.
    held_out
        How many sentences of each direction are.
    most
        Most sentence pairs of each data and direction; 0 for all.
    links
        Folder of word links; one in the cache by default.
    """

    pairs: tuple[Pair, ...]
    data: tuple[Data, ...]
    test: Data | None = None
    held_out: int = 60
    most: int = 0
    links: Path | None = None

    def __post_init__(self) -> None:
        if len(set(map(str, self.pairs))) < len(self.pairs) or not self.pairs:
            raise UsageError("Give one pair or more, each of them once.")
        if self.held_out < 1 or self.most < 0:
            raise UsageError("Hold out 1 sentence or more, and read 0 (all) or more.")


@dataclass(frozen=True, slots=True)
class Course:
    """What one direction is taught and examined with.

    Attributes
    ----------
    pair
        Direction.
    parts
        What is taught, by data.
    held_out
        Passages that are not taught.
    """

    pair: Pair
    parts: tuple[Part, ...]
    held_out: tuple[Passage, ...]

    @property
    def subjects(self) -> list[Subject]:
        """The passages that are taught, by data."""
        return [Subject.of(part) for part in self.parts]

    @property
    def exam(self) -> list[Lesson]:
        """The held-out passages, whole and cut at a place that is always the same."""
        lessons = []
        for number, passage in enumerate(self.held_out):
            lessons.append(whole(passage, self.pair))
            if len(passage.words) > 1:
                visible = int(np.random.default_rng(number).integers(1, len(passage.words)))
                lessons.append(prefix(passage, self.pair, visible))
        return lessons

    @property
    def sample(self) -> list[Lesson]:
        """Some of what is taught, as it is."""
        passages = [one for each in self.subjects for one in each.passages[:CHOSEN_ON]]
        return [whole(one, self.pair) for one in passages[:CHOSEN_ON] if one.links]

    @property
    def digest(self) -> str:
        """Hash of everything in it."""
        taught = [
            [(one.source, one.target, sorted(one.links)) for one in part.sentences]
            for part in self.parts
        ]
        held_out = [(one.words, one.target, sorted(one.links)) for one in self.held_out]
        return hashlib.sha256(repr((str(self.pair), taught, held_out)).encode()).hexdigest()


def plan(wanted: Wanted, tell: Tell) -> list[Course]:
    """Read, clean and align what is to be taught, and hold sentences out.

    Raises
    ------
    AlignattError
        If a direction has too little text, or as for `read_parts`.
    """
    return [_course(pair, wanted, tell) for pair in wanted.pairs]


def _course(pair: Pair, wanted: Wanted, tell: Tell) -> Course:
    data = [*([wanted.test] if wanted.test else []), *wanted.data]
    first, *others = read_parts(data, pair, wanted.most, tell, wanted.links)
    if wanted.test and first.data != wanted.test:
        raise UsageError(f"'{wanted.test.pattern}' has no sentences for {pair}.")
    held_out = first.sentences[-wanted.held_out :]
    passages = tuple(Passage.of(one, pair) for one in held_out)
    kept = others if wanted.test else [first, *others]
    known = {one.source for one in held_out}
    parts = [_without(part, known) for part in kept]
    parts = [part for part in parts if part.sentences]
    if sum(len(part.sentences) for part in parts) < LEAST:
        raise UsageError(
            f"Too few sentence pairs are left to teach {pair}: {len(known)} of them are held out, "
            f"and {LEAST} or more must remain. Give more --data, or hold out fewer."
        )
    return Course(pair, tuple(parts), passages)


def _without(part: Part, known: Sequence[str] | set[str]) -> Part:
    kept = tuple(one for one in part.sentences if one.source not in known)
    return replace(part, sentences=kept)
