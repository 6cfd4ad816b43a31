"""A transcript known beforehand, played on the clock of the audio."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import UsageError
from alignatt4llm.events import SourceWord
from alignatt4llm.files.reading import read_json
from alignatt4llm.recognizers.agreement import HOLD_BACK
from alignatt4llm.recognizers.pieces import are_pieces, joined
from alignatt4llm.text.languages import Language
from alignatt4llm.text.words import split_words
from alignatt4llm.transcript import Recognition


class TimedTextRecognizer:
    """Says known words as their time comes; the samples only move the clock.

    Parameters
    ----------
    words
        The transcript in order of time.
    hold_back
        Seconds after a word's end before it is committed; until then it is tail.
    """

    def __init__(self, words: Sequence[SourceWord], hold_back: float = HOLD_BACK) -> None:
        if hold_back < 0:
            raise UsageError(f"hold_back is {hold_back}; it must be 0 seconds or more.")
        if any(after.end < before.end for before, after in pairwise(words)):
            raise UsageError("The words of a timed text must be in order of time.")
        self._words = tuple(words)
        self._hold_back = hold_back
        self._samples = 0
        self._committed = 0

    def feed(self, samples: Samples) -> Recognition:
        """Move the clock by the length of ``samples`` and say what has been spoken."""
        self._samples += len(samples)
        clock = self._samples / SAMPLE_RATE
        final = self._ended_by(clock - self._hold_back)
        committed = self._words[self._committed : final]
        self._committed = final
        return Recognition(committed, self._words[final : self._ended_by(clock)])

    def finish(self) -> Recognition:
        """Commit every word not yet said, also those after the end of the audio."""
        committed = self._words[self._committed :]
        self._committed = len(self._words)
        return Recognition(committed)

    def _ended_by(self, time: float) -> int:
        """Count the words that end at or before ``time``."""
        count = self._committed
        while count < len(self._words) and self._words[count].end <= time:
            count += 1
        return count


def spread(text: str, offset: float, duration: float, language: Language) -> list[SourceWord]:
    """Give the words of a timed stretch of text times in proportion to their characters."""
    words = split_words(text, language)
    rate = duration / max(1, sum(map(len, words)))
    ends = [offset + rate * sum(map(len, words[: i + 1])) for i in range(len(words))]
    starts = [offset, *ends]
    return [SourceWord(*entry) for entry in zip(words, starts, ends, strict=False)]


def read_timed_text(path: Path | str, language: Language) -> list[SourceWord]:
    """Read a transcript from a JSON list.

    Each entry is a word, ``{"text", "start", "end"}``, or a stretch of speech,
    ``{"text", "offset", "duration"}``, whose words are spread over it. Times are in seconds;
    other keys are ignored. Where entries begin with a space, as recognisers write them, one
    without a space belongs to the word before it.

    Raises
    ------
    UsageError
        If the file is missing, is no such list, or its times are impossible or out of order.
    """
    path = Path(path)
    entries = read_json(path)
    if not isinstance(entries, list):
        raise UsageError(f"'{path}' must hold a JSON list of timed words.")
    pieces = [word for i, entry in enumerate(entries) for word in _words(path, i, entry, language)]
    words = _whole(pieces, [one["text"] for one in entries if "offset" not in one], language)
    for before, after in pairwise(words):
        if after.end < before.end:
            raise UsageError(
                f"'{path}': '{after.text}' ends at {after.end:g} s, before "
                f"'{before.text}' at {before.end:g} s; put the entries in order of time."
            )
    return words


def _words(path: Path, index: int, entry: Any, language: Language) -> Iterator[SourceWord]:
    where = f"'{path}', entry {index + 1}"
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
        raise UsageError(f'{where}: expected {{"text", "start", "end"}} with text as a string.')
    if "offset" in entry:
        offset, duration = _seconds(where, entry, "offset"), _seconds(where, entry, "duration")
        for word in spread(entry["text"], offset, duration, language):
            yield replace(word, text=language.separator + word.text)
        return
    start, end = _seconds(where, entry, "start"), _seconds(where, entry, "end")
    if end < start:
        raise UsageError(f"{where}: end {end:g} is before start {start:g}.")
    yield SourceWord(entry["text"], start, end)


def _whole(
    pieces: Sequence[SourceWord], timed: Sequence[str], language: Language
) -> list[SourceWord]:
    if are_pieces(timed, language):
        return joined(pieces, language)
    texts = (piece.text.removeprefix(language.separator).rstrip() for piece in pieces)
    return [replace(p, text=text) for p, text in zip(pieces, texts, strict=True) if text.strip()]


def _seconds(where: str, entry: dict[str, Any], key: str) -> float:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise UsageError(f"{where}: '{key}' must be a number of seconds, 0 or more.")
    return float(value)
