"""Committed text, one utterance at a time, and when its words are heard."""

from collections.abc import Sequence
from dataclasses import dataclass

from alignatt4llm.events import Close, Commit, Event, Source, SourceWord
from alignatt4llm.outputs.cues import Said, spans_of
from alignatt4llm.text.languages import Language
from alignatt4llm.text.printable import one_line


class Utterances:
    """The committed text of the open utterance.

    Attributes
    ----------
    text
        What has been said and not yet closed.
    words
        The source word of the open utterance that each character of it looks at; -1 where that is
        not known.
    """

    def __init__(self) -> None:
        self.text = ""
        self.words: list[int] = []

    def say(self, commit: Commit) -> None:
        """Take committed text."""
        pieces = commit.pieces
        if "".join(piece.text for piece in pieces) == commit.text:
            self.words += [piece.word for piece in pieces for _ in piece.text]
        else:
            self.words += [-1] * len(commit.text)
        self.text += commit.text

    def close(self, close: Close) -> str:
        """Return the text of a closed utterance; what ran ahead of it opens the next."""
        return self.cut(close)[0]

    def cut(self, close: Close) -> tuple[str, list[int]]:
        """Return the text of a closed utterance, and the word that each character looks at."""
        said, length = self.text.lstrip(), len(close.target)
        words = self.words[len(self.text) - len(said) :]
        self.text = said[length:]
        self.words = [max(-1, word - close.words) for word in words[length:]]
        return said[:length], words[:length]


@dataclass(frozen=True, slots=True)
class Timed:
    """A stretch of the translation and of the source that it translates, with their times."""

    said: tuple[Said, ...]
    source: tuple[Said, ...]


class Timing:
    """Turns events into words with their times, an utterance at a time.

    A word is heard when the source word that it looks at is; where that is not known, the words are
    spread over their utterance.

    Parameters
    ----------
    source, target
        The languages.

    Attributes
    ----------
    clock
        Seconds of audio consumed so far.
    heard
        Committed source words of the open utterance.
    tail
        What is guessed to follow them.
    """

    def __init__(self, source: Language, target: Language) -> None:
        self._source, self._target = source, target
        self._utterances = Utterances()
        self._begins = False
        self._ended = 0.0
        self.clock = 0.0
        self.heard: tuple[SourceWord, ...] = ()
        self.tail: tuple[SourceWord, ...] = ()

    def add(self, event: Event) -> Timed | None:
        """Take an event; return an utterance when it closes."""
        if isinstance(event, Source):
            self.clock, self.heard, self.tail = event.audio_s, event.committed, event.tail
        elif isinstance(event, Commit):
            self.clock = max(self.clock, event.audio_s)
            self._utterances.say(event)
        elif isinstance(event, Close):
            return self._close(event)
        return None

    def rest(self) -> Timed:
        """Return what was said in the utterance that is open, which ends with it."""
        said, self._utterances = self._utterances, Utterances()
        heard, self.heard, self.tail = self.heard, (), ()
        start = heard[0].start if heard else self._ended
        end = max(start, heard[-1].end if heard else self.clock)
        return Timed(self._timed(said.text, said.words, heard, start, end), self._words(heard))

    def _close(self, close: Close) -> Timed:
        self.clock = max(self.clock, close.audio_s)
        heard, self.heard = self.heard[: close.words], self.heard[close.words :]
        text, words = self._utterances.cut(close)
        said = self._timed(text, words, heard, close.start, close.end)
        self._ended = close.end
        spoken = heard or _spread(close.source, close.start, close.end, self._source)
        return Timed(said, self._words(spoken))

    def _words(self, heard: Sequence[SourceWord]) -> tuple[Said, ...]:
        joint = self._source.separator
        shown = ((one_line(word.text), word) for word in heard)
        return tuple(Said(text, word.start, word.end, joint) for text, word in shown if text)

    def _timed(
        self,
        text: str,
        words: Sequence[int],
        heard: Sequence[SourceWord],
        start: float,
        end: float,
    ) -> tuple[Said, ...]:
        """Return the words of a text, each heard when the source word that it looks at is."""
        spans = list(spans_of(text, self._target))
        if not spans:
            return ()
        times = _spread_spans(spans, start, end)
        for at, (first, last) in enumerate(spans):
            if heard and (look := max(words[first:last], default=-1)) >= 0:
                word = heard[min(look, len(heard) - 1)]
                times[at] = word.start, word.end
        weights = [last - first for first, last in spans]
        starts, ends = (_rising(side, weights) for side in zip(*times, strict=True))
        starts[0] = min(starts[0], start)
        joints = [self._joint(text, spans, at) for at in range(len(spans))]
        return tuple(
            Said(one_line(text[first:last]), a, max(a, b), joint)
            for (first, last), a, b, joint in zip(spans, starts, ends, joints, strict=True)
            if one_line(text[first:last])
        )

    def _joint(self, text: str, spans: Sequence[tuple[int, int]], at: int) -> str:
        if at == 0:
            spaced = not self._begins or not self._target.by_character
            self._begins = True
            return " " if spaced or text[:1].isspace() else ""
        return " " if spans[at][0] > spans[at - 1][1] else ""


def _spread_spans(
    spans: Sequence[tuple[int, int]], start: float, end: float
) -> list[tuple[float, float]]:
    """Give each span its share of a time, by its characters."""
    first, length = spans[0][0], max(1, spans[-1][1] - spans[0][0])
    rate = (end - start) / length
    return [(start + rate * (a - first), start + rate * (b - first)) for a, b in spans]


def _spread(text: str, start: float, end: float, language: Language) -> list[SourceWord]:
    spans = list(spans_of(text, language))
    times = _spread_spans(spans, start, end) if spans else []
    return [SourceWord(text[a:b], *time) for (a, b), time in zip(spans, times, strict=True)]


def _rising(values: Sequence[float], weights: Sequence[int]) -> list[float]:
    """Return the nearest values, by least squares, that never go back."""
    pools: list[list[float]] = []  # mean, weight, count
    for value, weight in zip(values, weights, strict=True):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, heavy, count = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + mean * heavy) / (last[1] + heavy)
            last[1] += heavy
            last[2] += count
    return [mean for mean, _, count in pools for _ in range(int(count))]
