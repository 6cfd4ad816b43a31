"""How loud a stream is, second by second: silence, near silence, and clipping."""

from collections import deque

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples

SILENT = -80.0
"""Peak in dBFS below which there is nothing: three steps of 16 bits."""
QUIET = -55.0
"""RMS of the loudest second, in dBFS, below which speech is too quiet; -20 to -35 is usual."""
FULL = 0.998
"""Of full scale, from which on a sample may have been cut off."""
FLAT = 4
"""Neighbouring samples at full scale that make a cut-off top; loud voices have three at most."""
SHARE = 0.001
"""Of a second's samples, within cut-off tops, from which on one hears it."""
RECENT, MANY = 10, 3
"""Seconds looked back at for clipping, and how many of them must be clipped: a knock is one."""


class Level:
    """The level of a stream so far; what is kept of it is of fixed size.

    Attributes
    ----------
    seconds
        Length of the stream.
    peak
        Its largest sample, from 0 to 1.
    loudest
        RMS of its loudest second, in dBFS.
    """

    def __init__(self) -> None:
        self.seconds = self.peak = 0.0
        self.loudest = -np.inf
        self._part: list[Samples] = []  # of the second that is not over yet
        self._length = 0
        self._clipped: deque[bool] = deque(maxlen=RECENT)

    def feed(self, samples: Samples) -> None:
        """Take the next samples, shape [n], however many."""
        self.seconds += len(samples) / SAMPLE_RATE
        while len(samples):
            piece = samples[: SAMPLE_RATE - self._length]
            samples = samples[len(piece) :]
            self._part.append(piece)
            self._length += len(piece)
            if self._length == SAMPLE_RATE:
                self.finish()

    def finish(self) -> None:
        """Judge what has come of the last second."""
        if not self._part:
            return
        second = np.concatenate(self._part).astype(np.float64)
        self._part, self._length = [], 0
        self.peak = max(self.peak, float(np.abs(second).max()))
        self.loudest = max(self.loudest, decibels(float(np.sqrt(np.mean(second**2)))))
        self._clipped.append(max(_flat(second >= FULL), _flat(second <= -FULL)) >= SHARE)

    @property
    def silent(self) -> bool:
        """Whether there has been no sound at all."""
        return decibels(self.peak) < SILENT

    @property
    def quiet(self) -> bool:
        """Whether whatever there has been is too quiet for speech."""
        return self.loudest < QUIET

    @property
    def clipped(self) -> bool:
        """Whether tops have been cut off for a while."""
        return sum(self._clipped) >= MANY


def decibels(amplitude: float) -> float:
    """Return an amplitude, 1 at full scale, in dBFS."""
    return 20 * float(np.log10(amplitude)) if amplitude > 0 else -np.inf


def _flat(full: NDArray[np.bool_]) -> float:
    """Return the share of samples with which a run of `FLAT` at full scale begins."""
    if len(full) < FLAT:
        return 0.0
    return float(sliding_window_view(full, FLAT).all(axis=1).sum() / len(full))
