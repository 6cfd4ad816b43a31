"""Speech for machines: every word of a script is a tone, so that audio alone says what was said.

Tests of servers and clients need audio whose transcript is known, also when parts of it are lost,
repeated or recognised from the middle on. Real speech takes a model; a tone takes counting.
"""

import os
import time
from collections.abc import Iterable, Sequence
from threading import Lock

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.table import Asked
from alignatt4llm.text.languages import Language
from alignatt4llm.transcript import Recognition

_TEXT = """\
Good morning everyone and thank you for coming. Today we look at old maps of this city, and at
people who drew them by hand. Some of these maps are very large. Others fit into a coat pocket,
which made them useful on long walks. Look at the river here.
"""
SCRIPT = tuple(_TEXT.split())
"""What is said unless another script is given; word i is a tone of ``LOWEST + STEP * i`` Hz."""

COST = "ALIGNATT_SCRIPTED_STEP"
"""Environment variable with the seconds that a step takes, for measurements of what serves."""

LOWEST, STEP = 200, 20
_SOUND, _GAP = 0.3, 0.1
_FRAME = SAMPLE_RATE // 100
_LOUD = 0.02
_QUIET_FRAMES = 4
_LONGEST_FRAMES = 60


def tones(words: Iterable[int]) -> Samples:
    """Return audio that says words of the script: 0.3 s of sound each, then 0.1 s of silence."""
    time = np.arange(int(_SOUND * SAMPLE_RATE)) / SAMPLE_RATE
    gap = np.zeros(int(_GAP * SAMPLE_RATE))
    said = [
        part
        for word in words
        for part in (0.3 * np.sin(2 * np.pi * (LOWEST + STEP * word) * time), gap)
    ]
    return np.concatenate(said).astype(np.float32) if said else np.zeros(0, np.float32)


class ToneRecognizer:
    """Hears `tones`; of other sounds it makes a word of the script every 0.6 s.

    A word is tail while it sounds and committed once 40 ms of silence follow.

    Parameters
    ----------
    script
        What can be heard, by its number.
    """

    def __init__(self, script: Sequence[str] = SCRIPT) -> None:
        self._script = script
        self._rest: Samples = np.zeros(0, np.float32)
        self._frames = 0
        self._begin = 0
        self._end = 0
        self._heard: list[Samples] = []

    def feed(self, samples: Samples) -> Recognition:
        """Take the next stretch of audio and return the words in it."""
        samples = np.concatenate([self._rest, samples])
        frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
        self._rest = samples[frames.size :].copy()
        loud = np.sqrt(np.mean(frames * frames, axis=1)) > _LOUD
        committed = [
            word for frame, on in zip(frames, loud, strict=True) for word in self._take(frame, on)
        ]
        return Recognition(tuple(committed), tuple(self._word()))

    def finish(self) -> Recognition:
        """Commit the word that sounds."""
        committed = tuple(self._word())
        self._heard = []
        return Recognition(committed)

    def _take(self, frame: Samples, loud: bool) -> list[SourceWord]:
        """Take 10 ms; return the word that they complete, if any."""
        self._frames += 1
        if loud:
            if not self._heard:
                self._begin = self._frames - 1
            self._heard.append(frame)
            self._end = self._frames
        over = self._frames - self._end >= _QUIET_FRAMES or len(self._heard) >= _LONGEST_FRAMES
        if not (self._heard and over):
            return []
        word = self._word()
        self._heard = []
        return word

    def _word(self) -> list[SourceWord]:
        if not self._heard:
            return []
        index = round((self._pitch() - LOWEST) / STEP) % len(self._script)
        return [SourceWord(self._script[index], self._begin / 100, self._end / 100)]

    def _pitch(self) -> float:
        """Hertz, from the first and last passage through zero; what is quiet has no sign."""
        heard = np.concatenate(self._heard)
        clear = np.flatnonzero(np.abs(heard) > _LOUD)
        signs = np.signbit(heard[clear])
        crossings = clear[1:][signs[1:] != signs[:-1]]
        if len(crossings) < 2:
            return 0.0
        return float((len(crossings) - 1) * SAMPLE_RATE / (2 * (crossings[-1] - crossings[0])))


class _Costly(ToneRecognizer):
    """Takes as long as a model would, which does one step at a time."""

    def __init__(self, script: Sequence[str], model: Lock, seconds: float) -> None:
        super().__init__(script)
        self._model, self._seconds = model, seconds

    def feed(self, samples: Samples) -> Recognition:
        with self._model:
            time.sleep(self._seconds)
        return super().feed(samples)


class ToneEngine:
    """Opens recognisers of tones; it has no model.

    Parameters
    ----------
    script
        What the tones say.
    seconds
        What a step takes, of which one is done at a time.
    """

    def __init__(self, script: Sequence[str] = SCRIPT, seconds: float = 0.0) -> None:
        self._script = script
        self._seconds = seconds
        self._model = Lock()

    def open(self, language: Language, hold_back: float) -> ToneRecognizer:
        """Start hearing, whatever the language."""
        if self._seconds:
            return _Costly(self._script, self._model, self._seconds)
        return ToneRecognizer(self._script)


def load(asked: Asked) -> ToneEngine:
    """Return what opens recognisers of tones."""
    return ToneEngine(seconds=float(os.environ.get(COST, "0")))
