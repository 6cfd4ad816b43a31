"""The packets of a track become frames; what could not be read is told."""

from collections.abc import Callable, Iterator
from errno import EIO
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from alignatt4llm.audio.open import Recording, reason

_LITTLE = 0.04
"""Seconds of sound that may be lost in a row before it is told: where recordings meet, one packet
may hold nothing."""
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
    lost, known, early = 0.0, None, ""
    size = seconds = 0.0  # of what was decoded
    for packet in _packets(recording.container, stream, name, note):
        try:
            frames = [frame for frame in stream.codec_context.decode(packet) if frame.samples]
        except av.EOFError:
            break
        except av.FFmpegError as error:
            early = reason(error)
            # where there are no timestamps, all that could not be read lies in one packet
            lost += max(_seconds(packet), packet.size * seconds / size if size else 0.0)
            continue
        size, seconds = size + packet.size, seconds + _seconds(packet)
        for frame in (frame for frame in frames if frame.sample_rate):
            kind = (frame.sample_rate, frame.layout.name)
            if lost > _LITTLE and kind == known:
                note("damaged", f"Parts of '{name}' could not be decoded: {early}.")
            lost, known = 0.0, kind
            yield frame
        if packet.size:
            cut = packet.is_corrupt and not recording.endless
            early = "its last packet is not whole" if cut else ""
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
            if _without_size(error, container):
                return
            note("broken_off", f"'{name}' breaks off early: {reason(error)}.")
            return
        if packet is None:
            return
        yield packet


def _without_size(error: Exception, container: InputContainer) -> bool:
    """Whether this is how FFmpeg ends what a web server sends without saying how much it is."""
    ends = isinstance(error, av.FFmpegError) and error.errno == EIO
    return ends and container.size < 0 and container.name.startswith(("http:", "https:"))


def _seconds(packet: Any) -> float:
    return float(packet.duration * packet.time_base) if packet.duration else 0.0
