"""Where somebody speaks: the Silero voice activity model, one frame at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from alignatt4llm.audio.samples import Samples
from alignatt4llm.errors import extra

FRAME = 512
"""Samples judged at once: 32 ms."""

_CONTEXT = 64


class VoiceActivity:
    """Judges a stream of samples frame by frame; the state is small and of fixed size.

    Parameters
    ----------
    start
        Probability of speech that begins a stretch of speech.
    stop
        Probability below which it ends; in between, the last judgement stands.
    """

    def __init__(self, start: float = 0.5, stop: float = 0.35) -> None:
        self._start, self._stop = start, stop
        self._model = _silero()
        self._state = np.zeros((2, 1, 1, 128), np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)
        self._rest: Samples = np.zeros(0, np.float32)
        self._speaking = False

    def feed(self, samples: Samples) -> Iterator[tuple[Samples, bool]]:
        """Yield every complete frame, shape [512], and whether somebody speaks in it.

        Samples that do not fill a frame wait for the next call. Exhaust the iterator.
        """
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // FRAME * FRAME
        self._rest = samples[whole:].copy()
        for first in range(0, whole, FRAME):
            frame = samples[first : first + FRAME]
            yield frame, self._judge(frame)

    def finish(self) -> Iterator[tuple[Samples, bool]]:
        """Yield the samples that still wait, shape [n < 512], if any."""
        rest, self._rest = self._rest, self._rest[:0]
        if len(rest):
            yield rest, self._judge(np.pad(rest, (0, FRAME - len(rest))))

    def _judge(self, frame: Samples) -> bool:
        heard = np.concatenate([self._context, frame])[None]
        hidden, cell = self._state
        probability, *state = self._model.run(None, {"input": heard, "h": hidden, "c": cell})
        self._state = np.stack(state)
        self._context = frame[-_CONTEXT:].copy()
        self._speaking = probability.item() >= (self._stop if self._speaking else self._start)
        return self._speaking


def _silero() -> Any:
    """Return the ONNX session of the model that comes with faster-whisper; shared and stateless."""
    with extra("whisper", "Voice activity"):
        from faster_whisper.vad import get_vad_model
    return get_vad_model().session
