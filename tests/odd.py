"""Odd recordings: tones at known times in containers of every kind, made by FFmpeg on the spot."""

import io
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from alignatt4llm.audio.decode import AudioSource

RATE = 16_000
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
TONE = 0.2
"""Seconds of a tone."""


def tones(times: Sequence[float], seconds: float, rate: int = 48_000, pitch: float = 1000):
    """One channel with a tone at each of the times, shape [1, n]."""
    at = np.arange(round(seconds * rate)) / rate
    sound = np.zeros(len(at), np.float32)
    for time in times:
        inside = (at >= time) & (at < time + TONE)
        sound[inside] += 0.5 * np.sin(2 * np.pi * pitch * (at[inside] - time))
    return sound[None]


def onsets(samples: np.ndarray, pitch: float | None = None) -> list[float]:
    """Where tones begin, in seconds, to within 5 ms; only those of a pitch if it is given."""
    step = RATE // 200
    pieces = samples[: len(samples) // step * step].reshape(-1, step)
    if pitch is None:
        loud = np.abs(pieces).max(1, initial=0) > 0.08
    else:
        wave = np.exp(-2j * np.pi * pitch * np.arange(step) / RATE)
        loud = np.abs(pieces @ wave) * 2 / step > 0.08
    places = np.flatnonzero(loud)
    first = np.diff(places, prepend=-100) > 10
    return (places[first] * step / RATE).tolist()


NEAR = 0.05
"""Seconds by which a tone may be off."""


def heard(data: bytes, **options) -> tuple[np.ndarray, list[str]]:
    """The samples of a recording, and the kinds of notices about it."""
    source = AudioSource("odd", io.BytesIO(data), **options)
    samples = np.concatenate([*source, np.zeros(0, np.float32)])
    return samples, [notice.kind for notice in source.notices]


def assert_tones(samples: np.ndarray, right: Sequence[float]) -> None:
    """There are tones at these times and at no others."""
    times = onsets(samples)
    assert len(times) == len(right), (times, right)
    assert np.abs(np.subtract(times, right)).max(initial=0) < NEAR, (times, right)


@dataclass(frozen=True)
class Track:
    """Sound in one track of a container.

    ``start`` is the container's time at its beginning; ``keep`` says which packets are there, by
    their own time; ``at`` moves packets to another time of the container.
    """

    sound: np.ndarray
    codec: str = "aac"
    rate: int = 48_000
    start: float = 0.0
    language: str = ""
    title: str = ""
    flags: int | None = None
    keep: Callable[[float], bool] = lambda time: True
    at: Callable[[float], float] = lambda time: time


def odd(
    container: str,
    *tracks: Track,
    video: float = 0,
    cover: bool = False,
    options: dict[str, str] | None = None,
) -> bytes:
    """A container with tracks, and perhaps seconds of a video or a cover picture."""
    file = Path(tempfile.mkdtemp()) / "odd"
    with av.open(str(file), "w", format=container, options=options or {}) as out:
        streams = [_stream(out, track) for track in tracks]
        packets = [*_shown(out, video)] if video else []
        packets += [*_covered(out)] if cover else []
        for stream, track in zip(streams, tracks, strict=True):
            packets += _moved(track, _encoded(stream.codec_context, track, stream.encode))
        out.start_encoding()
        for packet in sorted(packets, key=lambda one: one.dts * one.time_base):
            out.mux(packet)
    data = file.read_bytes()
    shutil.rmtree(file.parent)
    return data


def series(codec: str, *tracks: Track) -> bytes:
    """A transport stream with one track, made of several of different rates and channels."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts") as out:
        stream = _stream(out, tracks[0])
        out.start_encoding()
        for track in tracks:
            context = av.CodecContext.create(codec, "w")
            context.rate, context.layout = track.rate, LAYOUTS[len(track.sound)]
            context.format = stream.codec_context.format
            for packet in _moved(track, _encoded(context, track, context.encode)):
                packet.stream = stream
                out.mux(packet)
    return file.getvalue()


def one(container: str, codec: str, sound: np.ndarray, rate: int, **more) -> bytes:
    """A container with one track, as bytes."""
    return odd(container, Track(sound, codec, rate), **more)


def wav(sound: np.ndarray, rate: int) -> bytes:
    """A WAV of 16 bits."""
    return one("wav", "pcm_s16le", sound, rate)


def _stream(out, track: Track):
    stream = out.add_stream(track.codec, rate=track.rate, layout=LAYOUTS[len(track.sound)])
    if track.codec == "vorbis":
        stream.codec_context.options = {"strict": "experimental"}
    if track.language:
        stream.metadata["language"] = track.language
    if track.title:
        stream.metadata["title"] = track.title
    if track.flags is not None:
        stream.disposition = av.stream.Disposition(track.flags)
    return stream


def _encoded(context, track: Track, encode) -> Iterator[av.Packet]:
    resampler = av.AudioResampler(
        format=context.format,
        layout=context.layout,
        rate=context.sample_rate,
        frame_size=context.frame_size or 1024,
    )
    packed = np.ascontiguousarray(track.sound.T.reshape(1, -1))
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=LAYOUTS[len(track.sound)])
    frame.sample_rate, frame.pts, frame.time_base = track.rate, 0, Fraction(1, track.rate)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        yield from encode(part)
    yield from encode(None)


def _moved(track: Track, packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    for packet in packets:
        time = float(packet.pts * packet.time_base)
        if track.keep(max(time, 0)):
            packet.pts += round((track.at(time) - time + track.start) / packet.time_base)
            packet.dts = packet.pts
            yield packet


def _shown(out, seconds: float) -> Iterator[av.Packet]:
    stream = out.add_stream("mpeg4", rate=5)
    stream.width = stream.height = 32
    stream.pix_fmt = "yuv420p"
    for number in range(round(seconds * 5)):
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        frame.pts, frame.time_base = number, Fraction(1, 5)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _covered(out) -> Iterator[av.Packet]:
    stream = out.add_stream("png", rate=1)
    stream.width = stream.height = 32
    stream.pix_fmt = "rgb24"
    stream.disposition = av.stream.Disposition.attached_pic
    yield from stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8)))
    yield from stream.encode(None)
