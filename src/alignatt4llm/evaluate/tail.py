"""How likely a recognised word is wrong, by how far behind the live edge it ends."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from alignatt4llm.audio.decode import chunks, read
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.bootstrap import SAMPLES, SEED
from alignatt4llm.errors import AlignattError, Tell, UsageError
from alignatt4llm.evaluate.corpus import Recording
from alignatt4llm.evaluate.prefix import PrefixAlignment
from alignatt4llm.events import SourceWord
from alignatt4llm.files.pictures import plain_label, save_picture
from alignatt4llm.recognizers.base import Recognizer
from alignatt4llm.text.languages import Language
from alignatt4llm.text.words import same

Floats = NDArray[np.float64]

BIN = 0.025
"""Seconds of a bin in which words are counted."""
KERNEL = 0.075
"""Standard deviation, in seconds, of the Gaussian that smooths over bins."""
REACH = 1.0
"""Seconds from the live edge up to which the curve is drawn."""

_COUNTED = REACH + 3 * KERNEL


@dataclass(frozen=True, slots=True)
class Heard:
    """A word as it stood after a step.

    Attributes
    ----------
    stretch
        Which segment of the recording it was said in.
    distance
        Seconds from its end to the audio heard so far.
    wrong
        Whether the reference has another word there, or none.
    """

    stretch: int
    distance: float
    wrong: bool


@dataclass(frozen=True, slots=True)
class TailRisk:
    """The curve; every list has an entry a bin.

    Attributes
    ----------
    distance_ms
        Distance from the live edge.
    wrong, low, high
        Probability that a word is wrong, with its 90 % band; None where no word was near.
    words
        Words counted in the bin itself.
    signature
        How it was measured.
    """

    distance_ms: list[float]
    wrong: list[float | None]
    low: list[float | None]
    high: list[float | None]
    words: list[int]
    signature: str


def listen(
    recording: Recording, recognizer: Recognizer, chunk: float, language: Language
) -> Iterator[Heard]:
    """Yield the words near the live edge after every ``chunk`` seconds of a recording.

    Raises
    ------
    UsageError
        If the recording has no audio.
    """
    if recording.audio is None:
        raise UsageError(f"'{recording.name}' has no audio; the tail is measured on real speech.")
    alignment = PrefixAlignment([same(word.text) for word in recording.words(language)])
    starts = [segment.offset for segment in recording.segments]
    recent: list[SourceWord] = []
    clock = 0.0
    for samples in chunks(read(str(recording.audio)), round(chunk * SAMPLE_RATE)):
        clock += len(samples) / SAMPLE_RATE
        heard = recognizer.feed(samples)
        alignment.commit([same(word.text) for word in heard.committed])
        recent = [word for word in (*recent, *heard.committed) if clock - word.end < _COUNTED]
        words = (*recent, *heard.tail)
        wrong = alignment.wrong([same(word.text) for word in heard.tail], len(words))
        for word, is_wrong in zip(words, wrong, strict=True):
            distance = max(0.0, clock - word.end)
            if distance < _COUNTED:
                yield Heard(_stretch(starts, word), distance, is_wrong)


def tail_risk(recordings: Sequence[Sequence[Heard]], signature: str) -> TailRisk:
    """Smooth over distances; bands from resampling segments.

    Parameters
    ----------
    recordings
        The words of each recording.
    signature
        What was heard by what.

    Raises
    ------
    AlignattError
        If there are no words.
    """
    counts = np.concatenate([_counted(words) for words in recordings])  # [segments, 2, bins]
    if not len(counts):
        raise AlignattError("The recogniser heard no word; is there speech in the recordings?")
    values = _smoothed(counts.sum(0))
    draws = np.random.default_rng(SEED).multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), size=SAMPLES
    )
    sampled = _smoothed(np.tensordot(draws.astype(float), counts, axes=1).transpose(1, 0, 2))
    low, high = np.percentile(sampled, [5, 95], axis=0)
    bins = round(REACH / BIN)
    shown = f"{signature}|bin:{BIN * 1000:g}ms|kernel:{KERNEL * 1000:g}ms|band:90%"
    return TailRisk(
        distance_ms=[1000 * BIN * (n + 0.5) for n in range(bins)],
        wrong=_known(values[:bins]),
        low=_known(low[:bins]),
        high=_known(high[:bins]),
        words=[int(count) for count in counts.sum(0)[1, :bins]],
        signature=f"{shown}|bs:{SAMPLES}|by:segment|n:{len(counts)}|seed:{SEED}",
    )


def table(risk: TailRisk) -> str:
    """Return a Markdown table, one line a tenth of a second."""
    lines = [
        "| behind the live edge (ms) | wrong (%) | 90 % band | words |",
        "|---:|---:|---|---:|",
    ]
    step = round(0.1 / BIN)
    for n in range(0, len(risk.distance_ms), step):
        wrong, low, high = (series[n] for series in (risk.wrong, risk.low, risk.high))
        first = risk.distance_ms[n] - 500 * BIN
        figures = "– | –" if wrong is None else f"{100 * wrong:.1f} | {_band(low, high)}"
        lines.append(f"| {first:.0f} | {figures} | {sum(risk.words[n : n + step])} |")
    return "\n".join(lines)


def plot(risks: dict[str, TailRisk], path: Path) -> None:
    """Draw a curve with its band for each recogniser, by name.

    Raises
    ------
    UsageError
        If the file cannot be written or its name says no known format.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="behind the live edge (ms)", ylabel="wrong words (%)")
    for name, risk in risks.items():
        wrong, low, high = (_percent(series) for series in (risk.wrong, risk.low, risk.high))
        [line] = axes.plot(risk.distance_ms, wrong, label=plain_label(name))
        axes.fill_between(risk.distance_ms, low, high, alpha=0.2, color=line.get_color())
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    save_picture(figure, path)


def measure(
    recordings: Sequence[Recording],
    opened: Callable[[], Recognizer],
    chunk: float,
    language: Language,
    signature: str,
    tell: Tell,
) -> TailRisk:
    """Listen to every recording with a recogniser of its own and return the curve."""
    heard = []
    for number, recording in enumerate(recordings, start=1):
        heard.append(list(listen(recording, opened(), chunk, language)))
        tell(f"[{number}/{len(recordings)}] {recording.name}: {len(heard[-1])} words near the edge")
    return tail_risk(heard, f"tail|{signature}|chunk:{chunk:g}s")


def _stretch(starts: Sequence[float], word: SourceWord) -> int:
    middle = (word.start + word.end) / 2
    return max(0, int(np.searchsorted(starts, middle, side="right")) - 1)


def _counted(words: Sequence[Heard]) -> Floats:
    """Count by segment and bin: the wrong ones, and all, shape [segments, 2, bins]."""
    segments = max((word.stretch for word in words), default=0) + 1
    counts = np.zeros((segments, 2, round(_COUNTED / BIN) + 1))
    for word in words:
        counts[word.stretch, :, int(word.distance / BIN)] += (word.wrong, 1)
    spoken: Floats = counts[counts[:, 1].sum(-1) > 0]
    return spoken


def _smoothed(counts: Floats) -> Floats:
    """Divide what a Gaussian around each bin sees of wrong words by what it sees of all."""
    distances = BIN * np.arange(counts.shape[-1])
    kernel = np.exp(-0.5 * ((distances[:, None] - distances) / KERNEL) ** 2)
    wrong, words = counts @ kernel
    share = np.full(np.shape(words), np.nan, np.float64)
    np.divide(wrong, words, out=share, where=words > 1e-3)
    return share


def _known(values: Floats) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _band(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"[{100 * low:.1f}, {100 * high:.1f}]"


def _percent(values: Sequence[float | None]) -> list[float]:
    return [np.nan if value is None else 100 * value for value in values]
