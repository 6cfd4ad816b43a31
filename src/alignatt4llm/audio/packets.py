"""The packets of a track become frames; what could not be read is told."""

from collections.abc import Callable, Iterator
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from alignatt4llm.audio.open import Recording, reason

_LITTLE = 0.1
"""Seconds of sound that may be lost before it is told."""
_GUESSED = 0.02
"""How near, as a share, a duration is to size over bit rate that was worked out from them."""

Note = Callable[[str, str], None]
"""Is told of what is noteworthy: its kind, and a sentence."""


def decoded(
    recording: Recording, stream: AudioStream, name: str, note: Note
) -> Iterator[av.AudioFrame]:
    """Yield what can be decoded; a damaged packet is skipped, a broken end ends it.

    Parameters
    ----------
    name
        What users call the source.
    note
        Is told where something is ``damaged`` or ``broken_off``.
    """
    lost, early = 0.0, ""
    for packet in _packets(recording.container, stream, name, note):
        try:
            frames = stream.codec_context.decode(packet)
        except av.EOFError:
            break
        except av.FFmpegError as error:
            early = reason(error)
            lost += _seconds(packet)
            if lost > _LITTLE:
                note("damaged", f"Parts of '{name}' could not be decoded: {early}.")
            continue
        if packet.size:
            cut = packet.is_corrupt and not recording.endless
            early = "its last packet is not whole" if cut else ""
        yield from (frame for frame in frames if frame.samples and frame.sample_rate)
    if recording.cut:
        early = early or "its last page is missing"
    if early:
        note("broken_off", f"'{name}' breaks off early: {early}.")


def stated_end(container: InputContainer, stream: AudioStream) -> float | None:
    """Return where a track ends at least by what the container states, in seconds of the stream.

    None if nothing is stated. FFmpeg then works a duration out from size and bit rate.
    """
    if stream.duration is not None and stream.time_base:
        lasts = float(stream.duration * stream.time_base)
    elif container.duration and len(container.streams.audio) + len(container.streams.video) == 1:
        lasts = container.duration / av.time_base
    else:
        return None
    rate = stream.codec_context.bit_rate
    guess = container.size * 8 / rate if rate and container.size > 0 else 0.0
    if abs(lasts - guess) < _GUESSED * guess:
        return None
    return lasts - max(0, container.start_time or 0) / av.time_base


def _packets(
    container: InputContainer, stream: AudioStream, name: str, note: Note
) -> Iterator[Any]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError) as error:
            note("broken_off", f"'{name}' breaks off early: {reason(error)}.")
            return
        if packet is None:
            return
        yield packet


def _seconds(packet: Any) -> float:
    return float(packet.duration * packet.time_base) if packet.duration else 0.0
