"""How sure a figure is: resampling of the recordings (or segments) it was measured on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Statistics = NDArray[np.float64]

SAMPLES = 1000
SEED = 12345


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that is a function of summed statistics, as all corpus scores are.

    Attributes
    ----------
    statistics
        One row for each unit that is resampled, shape [N, K].
    value
        The figure from the sum of rows, shape [K]; NaN if it is not defined.
    signature
        How it was measured.
    """

    statistics: Statistics
    value: Callable[[Statistics], float]
    signature: str


@dataclass(frozen=True, slots=True)
class Score:
    """A figure with its 95 % interval; None where there is nothing to measure or resample."""

    value: float | None
    low: float | None
    high: float | None
    signature: str


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher one system's figure is than another's, with its 95 % interval.

    ``p`` is the probability of a difference at least as large, either way, if there were none.
    """

    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    signature: str


def score(measure: Measure) -> Score:
    """Return the figure and its percentile bootstrap interval."""
    value = measure.value(measure.statistics.sum(0))
    low, high = _interval(_resampled(measure))
    return Score(_known(value), low, high, _signed(measure))


def compare(one: Measure, other: Measure) -> Difference:
    """Return the paired bootstrap of two systems over the same units."""
    difference = one.value(one.statistics.sum(0)) - other.value(other.statistics.sum(0))
    differences = _resampled(one) - _resampled(other)
    differences = differences[np.isfinite(differences)]
    low, high = _interval(differences)
    p = None
    if low is not None and np.isfinite(difference):
        extreme = np.abs(differences - differences.mean()) >= abs(difference)
        p = float((extreme.sum() + 1) / (len(differences) + 1))
    return Difference(_known(difference), low, high, p, f"{_signed(one)}|paired")


def _resampled(measure: Measure) -> NDArray[np.float64]:
    """The figure on samples drawn with replacement; the same draws for the same number of units."""
    count = len(measure.statistics)
    if count < 2:
        return np.zeros(0)
    draws = np.random.default_rng(SEED).integers(count, size=(SAMPLES, count))
    return np.array([measure.value(measure.statistics[draw].sum(0)) for draw in draws])


def _interval(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    values = values[np.isfinite(values)]
    if not len(values):
        return None, None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _signed(measure: Measure) -> str:
    count = len(measure.statistics)
    return f"{measure.signature}|bs:{SAMPLES if count > 1 else 'no'}|n:{count}|seed:{SEED}"
