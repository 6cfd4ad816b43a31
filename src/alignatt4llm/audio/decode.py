"""Audio in: any file, URL or standard input becomes blocks of 16 kHz mono samples."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Notice

STANDARD_INPUT = "-"

_PIPE_BYTES = 1 << 16
_ALONE = {"protocol_whitelist": "none"}
"""A stream may come from a stranger: no playlist in it opens files or addresses."""
_NO_LONG_LOOK = {"probesize": "32768", "analyzeduration": "0"}
"""FFmpeg would otherwise read seconds of a live stream before it lets any through."""


class AudioSource:
    """One file, URL or standard input, read once from start to end.

    Iterating yields float32 blocks, shape [n], in [-1, 1] at 16 kHz, as they are decoded. Empty
    audio yields nothing. Media that break off or hold damaged packets yield what can be read.

    Parameters
    ----------
    source
        A path, a URL that FFmpeg can read, or ``-`` for raw 16-bit little-endian 16 kHz mono
        samples on standard input.
    stream
        Read instead; ``source`` is then only its name. What cannot be sought in is read while it
        arrives.

    Attributes
    ----------
    duration
        Seconds the source says it lasts; None if it does not say, as live streams do not.
    notices
        What one should know about it; they are added while it is read.

    Raises
    ------
    UsageError
        If there is no such file, it is a folder, it is not media, or it has no sound.
    """

    def __init__(self, source: str, stream: BinaryIO | None = None) -> None:
        self.source = source
        self.duration: float | None = None
        self.notices: list[Notice] = []
        self._media: tuple[InputContainer, AudioStream] | None = None
        if stream is not None or source != STANDARD_INPUT:
            self._media = _open(source, stream)
            length = self._media[0].duration
            self.duration = length / av.time_base if length else None

    @property
    def problem(self) -> str | None:
        """What went wrong last while reading, or None."""
        return self.notices[-1].text if self.notices else None

    def __iter__(self) -> Iterator[Samples]:
        if self._media is None:
            pipe = sys.stdin.buffer  # unbuffered: a thread that waits in it must not block the exit
            return raw(getattr(pipe, "raw", pipe))
        return self._decoded(*self._media)

    def _decoded(self, container: InputContainer, stream: AudioStream) -> Iterator[Samples]:
        # To 16-bit, because FFmpeg then mixes channels without going beyond full scale.
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        with container:
            for frame in self._frames(container, stream):
                frame.pts = None  # a jump in the media's own clock is no reason to stop
                yield from _samples(resampler.resample(frame))
            with suppress(ValueError):  # nothing was decoded, so nothing is held back
                yield from _samples(resampler.resample(None))

    def _frames(self, container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]:
        """Yield what can be decoded; a damaged packet is skipped, a broken end ends it."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                self._note("broken_off", f"'{self.source}' breaks off early: {_reason(error)}.")
                return
            if packet is None:
                return
            try:
                frames = stream.codec_context.decode(packet)
            except av.EOFError:
                return
            except av.FFmpegError as error:
                said = f"Parts of '{self.source}' could not be decoded: {_reason(error)}."
                self._note("damaged", said)
                continue
            yield from frames

    def _note(self, kind: str, text: str) -> None:
        self.notices.append(Notice(kind, text))


def read(source: str) -> Iterator[Samples]:
    """Yield the samples of a source in blocks, see `AudioSource`."""
    return iter(AudioSource(source))


def raw(pipe: BinaryIO) -> Iterator[Samples]:
    """Yield 16-bit little-endian samples as they arrive on a pipe, scaled to [-1, 1)."""
    read_some = getattr(pipe, "read1", pipe.read)
    rest = b""
    while block := read_some(_PIPE_BYTES):
        block = rest + block
        whole = len(block) // 2 * 2
        rest = block[whole:]
        if whole:
            yield _scaled(np.frombuffer(block[:whole], dtype="<i2"))


def chunks(blocks: Iterable[Samples], size: int) -> Iterator[Samples]:
    """Regroup blocks into chunks of exactly ``size`` samples; only the last may be shorter."""
    pending: list[Samples] = []
    length = 0
    for block in blocks:
        pending.append(block)
        length += len(block)
        if length < size:
            continue
        joined = np.concatenate(pending)
        whole = length // size * size
        yield from np.split(joined[:whole], whole // size)
        pending, length = [joined[whole:]], length - whole
    if length:
        yield np.concatenate(pending)


def _open(source: str, stream: BinaryIO | None) -> tuple[InputContainer, AudioStream]:
    if stream is None and "://" not in source:
        _check_file(Path(source))
    try:
        container = av.open(
            stream or source, "r", metadata_errors="ignore", options=_options(stream)
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UsageError(
            f"'{source}' cannot be read as audio or video: {_reason(error)}. "
            "Check the name, or convert it to WAV first."
        ) from error
    if not container.streams.audio:
        container.close()
        raise UsageError(f"'{source}' has no sound in it; give a file with an audio track.")
    return container, container.streams.audio[0]


def _options(stream: BinaryIO | None) -> dict[str, str]:
    if stream is None:
        return {}
    return _ALONE if hasattr(stream, "seek") else _ALONE | _NO_LONG_LOOK


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; give one audio or video file.")
    if not path.exists():
        raise UsageError(f"There is no file '{path}'; check the name and the folder.")
    if path.is_file() and path.stat().st_size == 0:
        raise UsageError(f"'{path}' is an empty file; it holds no audio.")


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _samples(frames: Iterable[av.AudioFrame]) -> Iterator[Samples]:
    for frame in frames:
        if frame.samples:
            yield _scaled(frame.to_ndarray().reshape(-1))


def _scaled(integers: NDArray[Any]) -> Samples:
    return integers.astype(np.float32) / np.float32(32768)
