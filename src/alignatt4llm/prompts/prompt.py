"""A prompt with an explicit source span, and the way from token columns back to source words."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.errors import AlignattError

Spans = Sequence[tuple[int, int]]
"""Half-open character spans."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed utterance kept as context."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """prefix + source span + suffix + accepted target; the draft continues it.

    Attributes
    ----------
    prefix, suffix
        Text before and after the source span; ``prefix`` may hold special tokens as text.
    words
        The source words; the source span is these joined by the source language's separator.
    separator
        What joins the words.
    accepted
        The accepted target with the white space that stands before it, or an empty string.
    """

    prefix: str
    words: tuple[str, ...]
    suffix: str
    accepted: str = ""
    separator: str = " "

    @property
    def text(self) -> str:
        """The whole prompt."""
        return self.prefix + self.separator.join(self.words) + self.suffix + self.accepted

    @property
    def word_spans(self) -> list[tuple[int, int]]:
        """Characters of each source word in ``text``; punctuation belongs to the word before it."""
        spans, start = [], len(self.prefix)
        for word in self.words:
            spans.append((start, start + len(word)))
            start += len(word) + len(self.separator)
        return spans


def source_columns(prompt: Prompt, offsets: Spans) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the token columns of the source span and the word of each.

    A token belongs to the word in which its last character lies; the pieces of a character that
    is split over several tokens all carry that character's span, so they stay together.

    Parameters
    ----------
    prompt
        The prompt that was tokenised.
    offsets
        Character span of every prompt token in ``prompt.text``; empty for special tokens.

    Returns
    -------
    positions
        Prompt positions of the source tokens, shape [S].
    words
        Index of each one's source word, non-decreasing, shape [S].

    Raises
    ------
    AlignattError
        If the source has no token: the tokeniser's offsets do not describe this text.
    """
    starts = [start for start, _ in prompt.word_spans]
    first, last = len(prompt.prefix), len(prompt.text) - len(prompt.suffix + prompt.accepted)
    positions, words = [], []
    for position, (start, end) in enumerate(offsets):
        if end > start and end > first and start < last:
            positions.append(position)
            words.append(max(0, bisect_right(starts, min(end, last) - 1) - 1))
    if prompt.words and not positions:
        raise AlignattError("The source span was not found among the prompt's tokens.")
    return np.array(positions, np.int64), np.array(words, np.int64)


class PromptForm(Protocol):
    """How a model wants to be asked."""

    def __call__(
        self,
        words: Sequence[str],
        accepted: str = "",
        history: Sequence[Closed] = (),
        context: str = "",
    ) -> Prompt:
        """Build the prompt for the open utterance.

        Parameters
        ----------
        words
            The source words.
        accepted
            Target text already committed.
        history
            Closed utterances, oldest first.
        context
            What else the model should know; it stands before the source, never in its span.
        """
        ...
