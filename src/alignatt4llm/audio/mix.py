"""Many channels become one, so that speech survives whatever their phases are."""

from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CHANNELS = ("mix", "left", "right")
"""What is heard of a recording with several channels."""

_WEIGHTS = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0}
"""As ITU-R BS.775 mixes down; all other channels have half the weight of the centre."""
_OTHER = 0.5
_MEMORY = 0.1
"""Seconds over which channels are compared."""
_BLOCK = 0.05
"""Seconds between two comparisons at most."""
_FADE = 0.005
"""Seconds from one mix to another."""
_OPPOSED = 0.5
"""Correlation beyond which a channel is turned over, or back."""
_ACTIVE = 1e-3
"""Share of the loudest channel's energy that counts as sound."""


class Mix:
    """Mixes channels into one, frame by frame.

    Plain mixing would silence what has opposite phases. So a channel that is opposed to those
    before it is turned over first, and channels without sound take no part in the mean.

    Parameters
    ----------
    layout
        What the channels are called, such as ``("FL", "FR")``.
    rate
        Samples per second.
    channel
        Which is heard, one of `CHANNELS`; ``left`` and ``right`` are the first and the second.
    """

    def __init__(self, layout: tuple[str, ...], rate: int, channel: str = "mix") -> None:
        self._rate = rate
        self._weights = _weights(layout, channel)
        self._signs = np.ones(len(layout), np.float32)
        self._products = np.zeros((len(layout), len(layout)), np.float32)
        self._gains: Floats | None = None

    def __call__(self, samples: Floats) -> Floats:
        """Return one channel, shape [n], of samples, shape [n, channels]."""
        size = max(1, round(_BLOCK * self._rate))
        return np.concatenate([samples[:0, 0], *self._mixed(samples, size)])

    def _mixed(self, samples: Floats, size: int) -> Iterator[Floats]:
        for first in range(0, len(samples), size):
            block = samples[first : first + size]
            gains = self._judge(block)
            before = gains if self._gains is None else self._gains
            share = self._fade(len(block))
            yield (block @ before) * (1 - share) + (block @ gains) * share
            self._gains = gains

    def _fade(self, length: int) -> Floats:
        steps = min(float(length), _FADE * self._rate)
        fade: Floats = np.arange(1, length + 1, dtype=np.float32) / np.float32(steps)
        return np.minimum(fade, np.float32(1))

    def _judge(self, block: Floats) -> Floats:
        """Return the gains, shape [channels], after one more block, shape [n, channels]."""
        weighted = block * self._weights
        keep = np.exp(-len(block) / (_MEMORY * self._rate))
        self._products = self._products * np.float32(keep) + weighted.T @ weighted
        energy = np.diag(self._products)
        active = (energy > _ACTIVE * energy.max()) if energy.any() else self._weights > 0
        self._turn(active)
        gains: Floats = self._signs * self._weights / self._weights[active].sum()
        return gains

    def _turn(self, active: NDArray[np.bool_]) -> None:
        """Turn over what is opposed to the sum of the channels before it."""
        total = np.zeros(len(active), np.float32)
        for index in np.flatnonzero(active):
            along = total @ self._products[:, index]
            power = (total @ self._products @ total) * self._products[index, index]
            if abs(along) > _OPPOSED * np.sqrt(max(power, 0.0)):
                self._signs[index] = np.sign(along)
            total[index] = self._signs[index]


def mixed(frame: av.AudioFrame, mix: Mix) -> av.AudioFrame:
    """Return a frame of packed float32 samples with one channel."""
    samples: Floats = frame.to_ndarray().astype(np.float32).reshape(-1, frame.layout.nb_channels)
    samples = np.clip(np.nan_to_num(samples), -1, 1)
    one = av.AudioFrame.from_ndarray(mix(samples)[None], format="flt", layout="mono")
    one.sample_rate = frame.sample_rate
    return one


def _weights(layout: tuple[str, ...], channel: str) -> Floats:
    if channel == "mix" or len(layout) == 1:
        weights = [_WEIGHTS.get(name, _OTHER) for name in layout]
        return np.array(weights if any(weights) else [1.0] * len(layout), np.float32)
    only: Floats = np.eye(len(layout), dtype=np.float32)[CHANNELS.index(channel) - 1]
    return only
