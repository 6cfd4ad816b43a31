"""The nouns of subtitles: said words with their times, and cues."""

from collections.abc import Iterator
from dataclasses import dataclass

from alignatt4llm.text.languages import LANGUAGES, Language, unspaced
from alignatt4llm.text.words import Span, word_spans


@dataclass(frozen=True, slots=True)
class Said:
    """A word (in scripts without spaces: a sign) and when the speech it stands for is heard.

    Attributes
    ----------
    text
        The word with its punctuation.
    start, end
        Seconds since the stream began.
    joint
        What stands before it on a line: a space, or nothing.
    """

    text: str
    start: float
    end: float
    joint: str = " "


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines of text and when they show.

    Attributes
    ----------
    lines
        Of the translation.
    start, end
        Milliseconds since the stream began.
    below
        Lines of the source under it.
    """

    lines: tuple[str, ...]
    start: int
    end: int
    below: tuple[str, ...] = ()


def spans_of(text: str, language: Language) -> Iterator[Span]:
    """Yield the characters of each word between which a line may end.

    What of another script is written without spaces falls into its signs; punctuation stays with
    the word it belongs to, and Latin words and numbers stay whole.
    """
    for start, end in word_spans(text, language):
        word = text[start:end]
        if language.by_character or not any(map(unspaced, word)):
            yield start, end
        else:
            inner = word_spans(word, LANGUAGES["zh"])
            yield from ((start + first, start + last) for first, last in inner)
