"""Frames of any kind become one line of samples, with the silence between them."""

from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from alignatt4llm.audio.clock import Clock
from alignatt4llm.audio.mix import Mix, mixed
from alignatt4llm.audio.samples import SAMPLE_RATE, Samples

_FASTER = 1.02
"""How fast sound is played that is late."""


class Line:
    """Resamples and mixes frames whose rate, channels and format may change.

    Parameters
    ----------
    clock
        Says where frames belong.
    channel
        What is heard of several channels, see `Mix`.
    """

    def __init__(self, clock: Clock, channel: str = "mix") -> None:
        self.clock = clock
        self._channel = channel
        self._samples = 0
        self._stretch: _Stretch | None = None

    @property
    def position(self) -> float:
        """Where the stream stands, in seconds."""
        return self._samples / SAMPLE_RATE + (self._stretch.held if self._stretch else 0.0)

    def put(self, frame: av.AudioFrame) -> Iterator[Samples]:
        """Yield what one more frame adds: silence before it, and sound."""
        silence = self.clock.gap(frame.time, self.position)
        kind = (frame.format.name, frame.layout.name, frame.sample_rate, self.clock.late)
        if self._stretch is None or silence or kind != self._stretch.kind:
            yield from self.end()
            yield from self._counted(_silent(round(silence * SAMPLE_RATE)))
            self._stretch = _Stretch(kind, frame, self._channel)
        yield from self._counted(self._stretch.put(frame))

    def end(self) -> Iterator[Samples]:
        """Yield what is held back."""
        stretch, self._stretch = self._stretch, None
        if stretch:
            yield from self._counted(stretch.end())

    def _counted(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        for block in blocks:
            self._samples += len(block)
            yield block


class _Stretch:
    """Frames of one kind without silence between them.

    ``kind`` is their format, layout and rate, and whether they are late; ``held`` how many
    seconds went in and have not come out.
    """

    def __init__(
        self, kind: tuple[str, str, int, bool], first: av.AudioFrame, channel: str
    ) -> None:
        self.kind, self.held = kind, 0.0
        *_, rate, late = kind
        names = tuple(channel.name for channel in first.layout.channels)
        self._rate = round(rate * _FASTER) if late else rate
        self._mix = Mix(names, rate, channel) if len(names) > 1 else None
        # Packed, because PyAV cannot make arrays of more than seven planes.
        self._packed = av.AudioResampler(format="flt")
        self._mono = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)

    def put(self, frame: av.AudioFrame) -> Iterator[Samples]:
        """Yield what can be resampled after one more frame."""
        frame.pts = None
        self.held += frame.samples / self._rate
        for mono in self._one(frame):
            mono.sample_rate = self._rate
            yield from self._out(self._mono.resample(mono))

    def end(self) -> Iterator[Samples]:
        """Yield what is held back."""
        return self._out(self._mono.resample(None))

    def _one(self, frame: av.AudioFrame) -> Iterable[av.AudioFrame]:
        if self._mix is None:
            return [frame]
        return [mixed(packed, self._mix) for packed in self._packed.resample(frame)]

    def _out(self, frames: Iterable[av.AudioFrame]) -> Iterator[Samples]:
        for frame in frames:
            if frame.samples:
                self.held -= frame.samples / SAMPLE_RATE
                yield scaled(frame.to_ndarray().reshape(-1))


def scaled(integers: NDArray[Any]) -> Samples:
    """Return 16-bit samples in [-1, 1), shape [n]."""
    return integers.astype(np.float32) / np.float32(32768)


def _silent(length: int) -> Iterator[Samples]:
    """Yield zeros, a second at a time."""
    for first in range(0, length, SAMPLE_RATE):
        yield np.zeros(min(SAMPLE_RATE, length - first), np.float32)
