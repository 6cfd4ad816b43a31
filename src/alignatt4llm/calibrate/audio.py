"""Audio alignment heads: those that look at the word being said, measured on recordings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import UsageError
from alignatt4llm.events import SourceWord
from alignatt4llm.heads.headset import HeadScore, HeadSet
from alignatt4llm.recognizers.frames import audio_scores
from alignatt4llm.text.languages import Language

if TYPE_CHECKING:
    from alignatt4llm.recognizers.gemma_audio import GemmaAudioEngine

STRETCH = 15.0
"""Seconds of a recording that are listened to at once, as long as a window may grow."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Speech and its words, with times from a recogniser or an aligner."""

    audio: Samples
    words: tuple[SourceWord, ...]


def calibrate_audio(
    engine: "GemmaAudioEngine",
    name: str,
    language: Language,
    recordings: Sequence[Recording],
    count: int = 8,
) -> HeadSet:
    """Choose the heads that look at the word being said.

    Each recording is listened to in stretches, the model is made to say its words, and every head
    is scored by `audio_scores`; the best become the head set, averaged.

    Parameters
    ----------
    engine
        The recogniser.
    name
        Its model, as head sets shall know it.
    language
        What is spoken.
    recordings
        At least a few minutes of it; scores on one short clip say little.
    count
        Heads wanted.

    Raises
    ------
    UsageError
        If the recordings hold no words.
    """
    heads = engine.every_head
    hits, tokens = np.zeros(len(heads)), 0
    for stretch in (part for recording in recordings for part in _stretches(recording)):
        text = language.separator.join(word.text for word in stretch.words)
        heard = engine.listen(stretch.audio, language, text, heads)
        times = _times(heard.spans, stretch.words, len(language.separator))
        known = sum(time is not None for time in times)
        hits += audio_scores(heard.rows, times) * known
        tokens += known
    if not tokens:
        raise UsageError("The recordings hold no words; give their transcripts with times.")
    scores = hits / tokens
    ranked = sorted(range(len(heads)), key=lambda index: -scores[index])
    return HeadSet(
        model=name,
        pair=f"{language.code}-{language.code}",
        heads=tuple(heads[index] for index in ranked[:count]),
        ranking=tuple(_score(heads[index], float(scores[index])) for index in ranked),
        origin={"kind": "audio", "tokens": tokens, "recordings": len(recordings)},
    )


def _score(head: tuple[int, int], score: float) -> HeadScore:
    return HeadScore(*head, ts=round(score, 4), ts_predicting=round(score, 4))


def _stretches(recording: Recording) -> Iterator[Recording]:
    """Cut a recording at words into stretches of about STRETCH seconds, times from their start."""
    words: list[SourceWord] = []
    for word in recording.words:
        if words and word.end - words[0].start > STRETCH:
            yield _stretch(recording.audio, words)
            words = []
        words.append(word)
    if words:
        yield _stretch(recording.audio, words)


def _stretch(audio: Samples, words: Sequence[SourceWord]) -> Recording:
    begin = words[0].start
    first, last = (round(time * SAMPLE_RATE) for time in (begin, words[-1].end))
    moved = (SourceWord(w.text, w.start - begin, w.end - begin) for w in words)
    return Recording(audio[first:last], tuple(moved))


def _times(
    spans: Sequence[tuple[int, int]], words: Sequence[SourceWord], gap: int
) -> list[tuple[float, float] | None]:
    """The seconds of each token's word, by the word its last character lies in."""
    ends, at = [], 0
    for word in words:
        at += len(word.text) + gap
        ends.append(at)
    times: list[tuple[float, float] | None] = []
    for start, end in spans:
        index = int(np.searchsorted(ends, end - 1, side="right"))
        inside = end > start and index < len(words)
        times.append((words[index].start, words[index].end) if inside else None)
    return times
