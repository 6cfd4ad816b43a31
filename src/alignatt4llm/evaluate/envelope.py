"""Whether a run lies on or above what all its rivals reach together at its latency."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.bootstrap import Difference, Measure, difference, resampled

Point = tuple[float, float]
"""Latency and quality."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A run by what is measured of it: over the same recordings as the others."""

    latency: Measure
    quality: Measure

    @property
    def point(self) -> Point:
        """Where it lies."""
        return _value(self.latency), _value(self.quality)


def hull(points: Sequence[Point]) -> list[Point]:
    """Return the corners of the envelope of some points, from the earliest to the best.

    It is the upper convex hull, as far as quality rises with latency: what two systems reach,
    switching between them reaches the line between. Points that are not finite do not count.
    """
    corners: list[Point] = []
    for point in sorted(point for point in points if np.isfinite(point).all()):
        while corners and (corners[-1][0] == point[0] or _hides(corners, point)):
            corners.pop()
        corners.append(point)
    best = max((quality for _, quality in corners), default=0.0)
    return [one for n, one in enumerate(corners) if all(q < best for _, q in corners[:n])]


def height(corners: Sequence[Point], latency: float) -> float:
    """Return what the envelope reaches at a latency; NaN if it has no corners.

    Who may be later than the best need not be worse; who is earlier than the earliest is held
    against that one.
    """
    if not corners:
        return float("nan")
    at, reached = zip(*corners, strict=True)
    return float(np.interp(latency, at, reached))


def above(run: Placed, rivals: Sequence[Placed]) -> Difference:
    """Return by how much a run lies above the envelope of its rivals at its latency.

    The interval is that of a paired bootstrap: run and envelope are found anew on every sample.

    Parameters
    ----------
    run, rivals
        Over the same recordings.
    """
    found = _above(run.point, [rival.point for rival in rivals])
    samples = _resampled_above(run, rivals)
    return difference(found, samples, run.quality, f"above the envelope of {len(rivals)}")


def _resampled_above(run: Placed, rivals: Sequence[Placed]) -> NDArray[np.float64]:
    points = [_samples(one) for one in (run, *rivals)]
    return np.array([_above(own, others) for own, *others in zip(*points, strict=True)])


def _samples(one: Placed) -> list[Point]:
    return list(zip(resampled(one.latency), resampled(one.quality), strict=True))


def _above(own: Point, others: Sequence[Point]) -> float:
    return own[1] - height(hull(others), own[0])


def _hides(corners: Sequence[Point], point: Point) -> bool:
    """Whether the last corner lies on or below the line from the one before it to a point."""
    if len(corners) < 2:
        return False
    (x0, y0), (x1, y1) = corners[-2:]
    return (y1 - y0) * (point[0] - x0) <= (point[1] - y0) * (x1 - x0)


def _value(measure: Measure) -> float:
    return measure.value(measure.statistics.sum(0))
