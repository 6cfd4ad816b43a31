"""What every head does while the model is made to say a known translation."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.calibrate.align import Sentence
from alignatt4llm.prompts.prompt import PromptForm
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.sentences import without_full_stop
from alignatt4llm.text.units import unit_spans
from alignatt4llm.text.words import split_words
from alignatt4llm.translators.base import Forcer

MARGIN = 1
"""Visible words at the end that are inaccessible, as in a session by default."""


@dataclass(frozen=True, slots=True)
class Example:
    """A translation to be said, and what its units translate.

    Attributes
    ----------
    words
        The visible source words.
    target
        What the model is made to say.
    gold
        Source words of each unit of ``target``, empty where it is aligned with none; they may lie
        beyond the visible ones.
    frontier
        Number of accessible words.
    """

    words: tuple[str, ...]
    target: str
    gold: tuple[frozenset[int], ...]
    frontier: int


def whole(sentence: Sentence, pair: Pair) -> Example:
    """Return the sentence as it is, all of it accessible."""
    words = tuple(split_words(sentence.source, pair.source))
    return Example(words, sentence.target, _gold(sentence, pair), len(words))


def truncated(sentence: Sentence, pair: Pair, visible: int) -> Example | None:
    """Return what a session sees when the speaker has said the first ``visible`` words.

    The target is what these words support and the first unit after it, whose source has not
    arrived; None if there is no such unit. The last visible word is inaccessible and carries no
    full stop, as in a session.
    """
    gold = _gold(sentence, pair)
    arrives = (unit for unit, words in enumerate(gold) if max(words, default=-1) >= visible)
    last = next(arrives, None)
    if last is None:
        return None
    *words, tail = split_words(sentence.source, pair.source)[:visible]
    end = unit_spans(sentence.target, pair.target)[last][1]
    visible_words = (*words, without_full_stop(tail, pair.source) or tail)
    return Example(visible_words, sentence.target[:end], gold[: last + 1], visible - MARGIN)


def examples(sentence: Sentence, pair: Pair, seed: int) -> Iterator[tuple[int, Example]]:
    """Give a sentence whole, as number 0, then truncated at two places drawn at random.

    What has no aligned unit, or no unit whose source has not arrived, is left out.
    """
    count = len(split_words(sentence.source, pair.source))
    draw = np.random.default_rng(seed).integers
    half = count // 2
    cuts = (draw(2, max(3, half + 1)), draw(half + 1, max(half + 2, count)))
    if sentence.links:
        yield 0, whole(sentence, pair)
        for part, cut in enumerate(cuts, start=1):
            if example := truncated(sentence, pair, int(cut)):
                yield part, example


def _gold(sentence: Sentence, pair: Pair) -> tuple[frozenset[int], ...]:
    units = range(len(unit_spans(sentence.target, pair.target)))
    return tuple(frozenset(i for i, j in sentence.links if j == unit) for unit in units)


@dataclass(frozen=True, slots=True)
class Observation:
    """Where every head looked while one example was said.

    Attributes
    ----------
    rows
        Attention over the source columns, shape [T + 1, H, S]: ``rows[t]`` is read at the
        position that predicts token t, ``rows[t + 1]`` at its own.
    peaks
        Source column of the largest weight of the whole row, -1 where that lies outside the
        source, shape [T + 1, H + G] for G groups of heads.
    words
        Source word of each column, shape [S].
    gold
        Whether a source word is aligned with the unit that a token belongs to, shape [T, W]; W
        counts the words beyond the visible ones that are aligned, too.
    frontier
        Number of accessible words.
    """

    rows: NDArray[np.float16]
    peaks: NDArray[np.int16]
    words: NDArray[np.int64]
    gold: NDArray[np.bool_]
    frontier: int

    def save(self, path: Path) -> None:
        """Write it; the file appears only when it is whole."""
        partial = path.with_suffix(".partial.npz")
        np.savez_compressed(partial, **asdict(self))
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with path.open("rb") as file, np.load(file) as arrays:  # closed whatever it holds
            frontier = int(arrays["frontier"])
            fields = {name: arrays[name] for name in ("rows", "peaks", "words", "gold")}
        return cls(**fields, frontier=frontier)

    @classmethod
    def kept(cls, path: Path) -> Self | None:
        """Read what `save` wrote; None if it is not there, or not whole."""
        with suppress(Exception):  # a damaged archive raises whatever its reading trips over
            return cls.load(path)
        return None


def observe(
    forcer: Forcer,
    form: PromptForm,
    pair: Pair,
    example: Example,
    groups: Sequence[Sequence[int]] = (),
) -> Observation:
    """Make the model say an example and keep where its heads looked.

    Parameters
    ----------
    forcer
        Opened for the heads to be observed, H of them.
    form
        The prompt of the sessions.
    pair
        Direction.
    example
        What is said.
    groups
        Sets of heads, by index, whose mean row's peak is kept beside each head's own: they follow
        in ``peaks``.
    """
    prompt = form(example.words, example.target, ())
    forced = forcer.force(prompt)
    column_of = np.full(forced.rows.shape[-1], -1, np.int16)
    column_of[forced.columns] = np.arange(len(forced.columns))
    lead = len(prompt.accepted) - len(example.target)
    spans = [(start - lead, end - lead) for start, end in forced.spans]
    means = [forced.rows[:, list(group)].mean(1, keepdims=True) for group in groups]
    peaks = [rows.argmax(-1) for rows in (forced.rows, *means)]
    return Observation(
        rows=forced.rows[:, :, forced.columns].astype(np.float16),
        peaks=column_of[np.concatenate(peaks, axis=1)],
        words=forced.words,
        gold=by_token(spans, example, unit_spans(example.target, pair.target)),
        frontier=example.frontier,
    )


def by_token(
    spans: Sequence[tuple[int, int]], example: Example, units: Sequence[tuple[int, int]]
) -> NDArray[np.bool_]:
    """Give each token the source words of the units it overlaps."""
    width = max(len(example.words), 1 + max((max(g, default=-1) for g in example.gold), default=-1))
    gold = np.zeros((len(spans), width), bool)
    for token, (start, end) in enumerate(spans):
        for (first, last), words in zip(units, example.gold, strict=True):
            if first < end and last > start:
                gold[token, list(words)] = True
    return gold
