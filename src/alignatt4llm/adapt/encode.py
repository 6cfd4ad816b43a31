"""A lesson in tokens: what is fed, what is to be said, and where to look."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.adapt.lessons import Lesson
from alignatt4llm.calibrate.observe import MARGIN, Example, by_token
from alignatt4llm.prompts.prompt import Prompt, PromptForm, source_columns
from alignatt4llm.text.units import unit_spans
from alignatt4llm.translators.vocabulary import Vocabulary

END = "\n"
"""Ends a translation."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A lesson in tokens.

    Attributes
    ----------
    ids
        What is fed: the prompt and the target with what lies beyond what can be said.
    places, labels
        After which of them which token is to come.
    first
        The first token of the target.
    columns
        Positions of the source tokens, shape [S].
    words
        The source word of each, shape [S].
    gold
        Source words that each token of the target translates, of those that have arrived or not,
        shape [T, W].
    visible
        Words that have been heard right.
    frontier
        Words that are accessible, as in a session: of a prefix all but the last.
    prompt
        How many tokens the model has before it says what is taught.
    """

    ids: list[int]
    places: list[int]
    labels: list[int]
    first: int
    columns: NDArray[np.int64]
    words: NDArray[np.int64]
    gold: NDArray[np.bool_]
    visible: int
    frontier: int
    prompt: int

    def looks(self) -> tuple[list[int], NDArray[np.bool_]]:
        """Return where rows are taught, and which columns are right there.

        A row is that of the position that predicts a token. Right are the columns of the words
        that the token translates; where none of them has arrived, those of the last visible word.

        Returns
        -------
        places
            Positions, N of them.
        right
            Shape [N, S].
        """
        tokens = np.flatnonzero(self.gold.any(1))
        right_words = self.gold[tokens][:, self.words]  # [N, S]
        arrived = right_words & np.less(self.words, self.visible)
        last = np.equal(self.words, self.words.max(initial=-1))
        right = np.where(arrived.any(1)[:, None], arrived, last)
        return [self.first - 1 + int(token) for token in tokens], right


def encode(lesson: Lesson, form: PromptForm, vocabulary: Vocabulary) -> Encoded:
    """Turn a lesson into tokens.

    Raises
    ------
    AlignattError
        If the tokeniser's offsets do not describe the text.
    """
    prompt = form(lesson.words, lesson.target)
    begin, lead = len(prompt.text) - len(lesson.target), len(prompt.text) - len(prompt.accepted)
    to_say = prompt.text[: begin + lesson.said if lesson.said else lead]
    ids, offsets = vocabulary.encode(prompt.text)
    wanted, wanted_offsets = vocabulary.encode(to_say + END if lesson.ends else to_say)
    if ids[: len(wanted) - 1] != wanted[:-1]:  # what lies beyond changes tokens before it
        ids, offsets = wanted[:-1], wanted_offsets[:-1]
    taught = _after(wanted_offsets, begin + lesson.accepted if lesson.accepted else lead)
    first = _after(offsets, lead)
    columns, words = source_columns(prompt, offsets)
    return Encoded(
        ids,
        list(range(taught - 1, len(wanted) - 1)),
        wanted[taught:],
        first,
        columns,
        words,
        _gold(lesson, prompt, offsets[first:], begin),
        lesson.visible,
        len(lesson.words) - (0 if lesson.is_whole else MARGIN),
        taught,
    )


def _after(offsets: list[tuple[int, int]], place: int) -> int:
    """Return the first token that goes beyond a character."""
    return next((n for n, (_, end) in enumerate(offsets) if end > place), len(offsets))


def _gold(
    lesson: Lesson, prompt: Prompt, offsets: list[tuple[int, int]], begin: int
) -> NDArray[np.bool_]:
    """Give each token the source words of its unit; the space before a unit is the unit's."""
    spans = [(start - begin, end - begin) for start, end in offsets]
    example = Example(prompt.words, lesson.target, lesson.gold, lesson.visible)
    ends = [end for _, end in unit_spans(lesson.target, lesson.pair.target)]
    starts = [len(lesson.target) - len(prompt.accepted), *ends]
    return by_token(spans, example, list(zip(starts, ends, strict=False)))
