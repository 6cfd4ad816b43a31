"""The packets of a track become frames; what could not be read is told."""

from collections.abc import Callable, Iterator
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from alignatt4llm.audio.open import reason

_LITTLE = 0.1
"""Seconds of sound that may be lost before it is told."""

Note = Callable[[str, str], None]
"""Is told of what is noteworthy: its kind, and a sentence."""


def decoded(
    container: InputContainer, stream: AudioStream, name: str, note: Note
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
    for packet in _packets(container, stream, name, note):
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
            early = "the last packet is not whole" if packet.is_corrupt else ""
        yield from (frame for frame in frames if frame.samples and frame.sample_rate)
    if early:
        note("broken_off", f"'{name}' breaks off early: {early}.")


def stated_end(container: InputContainer, stream: AudioStream) -> float | None:
    """Return when a track ends by what the container states, in seconds; None if it does not.

    Where nothing is stated, FFmpeg works a duration out from size and bit rate, which says nothing.
    """
    lasts, rate = container.duration, stream.codec_context.bit_rate
    if stream.duration is not None and stream.time_base:
        lasts = round(stream.duration * stream.time_base * av.time_base)
        lasts += _offset(container, stream)
    elif len(container.streams.audio) + len(container.streams.video) > 1:
        return None  # which of them lasts so long?
    if not lasts:
        return None
    guess = container.size * 8 / rate if rate and container.size > 0 else 0.0
    seconds = lasts / av.time_base
    return None if abs(seconds - guess) < 0.02 * guess else seconds


def _offset(container: InputContainer, stream: AudioStream) -> int:
    """Return how much later than the container a track begins, in microseconds."""
    if stream.start_time is None or container.start_time is None or not stream.time_base:
        return 0
    return round(stream.start_time * stream.time_base * av.time_base) - container.start_time


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
