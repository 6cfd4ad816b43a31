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
    low, high = _interval(resampled(measure))
    return Score(_known(value), low, high, _signed(measure))


def compare(one: Measure, other: Measure) -> Difference:
    """Return the paired bootstrap of two systems over the same units."""
    found = one.value(one.statistics.sum(0)) - other.value(other.statistics.sum(0))
    return difference(found, resampled(one) - resampled(other), one, "paired")


def difference(
    found: float, samples: NDArray[np.float64], measure: Measure, how: str
) -> Difference:
    """Return a difference with its interval.

    Parameters
    ----------
    found
        The difference; NaN if it is not defined.
    samples
        The same on every sample.
    measure
        Of the figure that differs.
    how
        Ends the signature: what the figure is compared with.
    """
    samples = samples[np.isfinite(samples)]
    low, high = _interval(samples)
    p = None
    if low is not None and np.isfinite(found):
        extreme = np.abs(samples - samples.mean()) >= abs(found)
        p = float((extreme.sum() + 1) / (len(samples) + 1))
    return Difference(_known(found), low, high, p, f"{_signed(measure)}|{how}")


def resampled(measure: Measure) -> NDArray[np.float64]:
    """Return the figure on samples drawn with replacement, shape [SAMPLES].

    The draws are the same for the same number of units; empty where there are fewer than two.
    """
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
