"""What is simulated, and what came of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.errors import UsageError


@dataclass(frozen=True, slots=True)
class Shape:
    """What is simulated.

    Attributes
    ----------
    machines
        Machines, all alike.
    fronts, engines
        Session replicas and engine replicas on each.
    streams
        As for `ClusterSettings`.
    places
        Sessions that are admitted at once in the whole cluster.
    chunk, joined
        Seconds of audio a step, and of late audio joined into one step at most.
    backoff
        Seconds after which a client comes back, on average.
    """

    machines: int
    places: int
    fronts: int = 1
    engines: int = 1
    streams: int = 8
    chunk: float = 0.7
    joined: float = 6.0
    backoff: float = 1.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise UsageError(f"'{name}' is {getattr(self, name)}; it must be above 0.")


@dataclass(frozen=True, slots=True)
class Use:
    """How busy something was, as a share of the time: all of its kind, and the busiest."""

    mean: float
    most: float


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it.

    Attributes
    ----------
    lags
        Seconds from when a chunk was there until text was said that follows from it.
    refused
        Sessions for which there was no place.
    most
        Sessions at once.
    resumed
        How often a session went on at another replica.
    gaps
        Seconds from the death of a session's replica until its next new text.
    chunks
        Chunks translated.
    use
        Of the recognisers, the engines, and the actor that counts places, by these names; the
        last is what the ledger itself takes on the machine that simulates.
    missed
        Share of the drafts for which the prompt was read anew.
    """

    lags: NDArray[np.float32]
    refused: int
    most: int
    resumed: int
    gaps: NDArray[np.float32]
    chunks: int
    use: dict[str, Use]
    missed: float

    @property
    def fullest(self) -> str:
        """What saturates first."""
        return max(self.use, key=lambda name: self.use[name].most)

    def lag(self, *percents: float) -> list[float]:
        """Return percentiles of the lags; none of them if nothing was said."""
        return [float(lag) for lag in np.percentile(self.lags, percents)] if len(self.lags) else []
