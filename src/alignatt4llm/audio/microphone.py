"""The microphone, as blocks of 16 kHz mono samples."""

from collections.abc import Generator, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from alignatt4llm.audio.clock import Clock
from alignatt4llm.audio.line import Line
from alignatt4llm.audio.samples import Samples
from alignatt4llm.errors import AlignattError, UsageError, extra

_BLOCK = 0.1
"""Seconds in a block."""


def microphone(
    stopped: Event, device: str | int | None = None, channel: str = "mix"
) -> Generator[Samples, None, None]:
    """Return what a microphone hears, block by block, shape [n], in [-1, 1].

    Whether it can be had is found out now, recording begins with the first block.

    Parameters
    ----------
    stopped
        Ends it when it is set; what was recorded before is still yielded.
    device
        Number or part of the name of an input device; the system's default if None.
    channel
        What is heard of the first two channels: ``mix``, ``left`` or ``right``.

    Raises
    ------
    AlignattError
        If sound cannot be recorded here.
    UsageError
        If there is no such device.
    """
    sound = _sounddevice()
    named = None if device is None else str(device)
    chosen = int(named) if named and named.isdecimal() else named
    try:
        found = sound.query_devices(chosen, "input")
    except (ValueError, sound.PortAudioError) as problem:
        name = f"microphone '{device}'" if named else "microphone"
        raise UsageError(f"There is no {name}; inputs are: {inputs(sound)}.") from problem
    options = {
        "device": chosen,
        "samplerate": int(found["default_samplerate"]),
        "channels": min(2, found["max_input_channels"]),
    }
    return _heard(sound, options, stopped, Line(Clock(stamped=False), channel))


def _heard(
    sound: Any, options: dict[str, Any], stopped: Event, line: Line
) -> Generator[Samples, None, None]:
    blocks: SimpleQueue[NDArray[np.int16]] = SimpleQueue()

    def heard(data: NDArray[np.int16], frames: int, time: Any, status: Any) -> None:
        blocks.put(data.copy())

    rate, layout = options["samplerate"], ("mono", "stereo")[options["channels"] - 1]
    size = int(rate * _BLOCK)
    try:
        with sound.InputStream(callback=heard, dtype="int16", blocksize=size, **options):
            for block in _until(stopped, blocks):
                packed = np.ascontiguousarray(block).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
                frame.sample_rate = rate
                yield from line.put(frame)
    except sound.PortAudioError as problem:
        raise AlignattError(f"The microphone cannot be opened: {problem}.") from problem


def _until(stopped: Event, blocks: "SimpleQueue[NDArray[np.int16]]") -> Iterator[NDArray[np.int16]]:
    while not (stopped.is_set() and blocks.empty()):
        with suppress(Empty):
            yield blocks.get(timeout=_BLOCK)


def inputs(sound: Any = None) -> str:
    """Name the input devices, with their numbers."""
    devices = enumerate((sound or _sounddevice()).query_devices())
    named = [f"{number} {one['name']}" for number, one in devices if one["max_input_channels"]]
    return ", ".join(named) or "none"


def _sounddevice() -> Any:
    try:
        with extra("listen", "Listening"):
            import sounddevice
    except OSError as problem:
        raise AlignattError(
            "Listening needs the PortAudio library; install it, on Debian and Ubuntu with "
            "apt-get install libportaudio2."
        ) from problem
    return sounddevice
