"""Blocks of sound that programs have at hand: arrays, frames and bytes, of any rate."""

from collections.abc import Callable, Generator, Iterable, Iterator
from io import RawIOBase
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from alignatt4llm.audio.chained import seekable
from alignatt4llm.audio.clock import Clock
from alignatt4llm.audio.line import Line, scaled
from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import UsageError

_PIPE_BYTES = 1 << 16
_MOST_CHANNELS = 16


def resampled(blocks: Iterable[Any], rate: int, channel: str) -> Iterator[Samples]:
    """Yield the samples of blocks that follow on each other.

    Parameters
    ----------
    blocks
        Arrays of numbers, shape [n] or [n, channels], see `floats`, or frames of PyAV, which
        know their own rate and channels.
    rate
        Samples per second of the arrays.
    channel
        What is heard of several channels, see `Mix`.

    Raises
    ------
    UsageError
        If a block is neither.
    """
    line = Line(Clock(stamped=False), channel)
    for block in blocks:
        if isinstance(block, av.AudioFrame):
            if block.samples:
                yield from line.put(_copied(block))
            continue
        samples = floats(block)
        if rate == SAMPLE_RATE and samples.ndim == 1:
            yield from line.end()
            yield samples
            continue
        for first in range(0, len(samples), rate):
            yield from line.put(_frame(samples[first : first + rate], rate))
    yield from line.end()


def floats(block: Any) -> NDArray[np.float32]:
    """Return an array of numbers as float32, of the same shape.

    Floating-point numbers are taken to be in [-1, 1], integers in the range of their type.
    Integers of 64 bits, which lists of whole numbers become, do not tell their range.

    Raises
    ------
    UsageError
        If it is no array of such numbers, or its shape is neither [n] nor [n, channels].
    """
    try:
        array = np.asarray(block)
    except Exception as problem:  # rows of several lengths, memory of a GPU, what has gradients
        reason = str(problem).removesuffix(".")
        raise UsageError(f"A block of audio is no array of numbers: {reason}.") from problem
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 0 < array.shape[1] <= _MOST_CHANNELS):
        raise UsageError(
            f"A block of audio has shape {list(array.shape)}; give arrays of shape [n] or "
            f"[n, channels], with at most {_MOST_CHANNELS} channels."
        )
    if array.dtype.kind == "i" and array.itemsize == 8:
        raise UsageError(
            f"A block of audio is of type {array.dtype}; make it np.int16 if it holds 16-bit "
            "samples, or give floating-point numbers in [-1, 1]."
        )
    if array.dtype.kind == "i":
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    if array.dtype.kind != "f":
        raise UsageError(
            f"A block of audio is of type {array.dtype}; give floating-point numbers in [-1, 1] "
            "or signed integers."
        )
    sound: NDArray[np.float32] = np.clip(np.nan_to_num(array), -1, 1).astype(np.float32)
    return sound[:, 0] if sound.ndim == 2 and sound.shape[1] == 1 else sound


def raw(pipe: BinaryIO) -> Iterator[Samples]:
    """Yield 16-bit little-endian samples as they arrive on a pipe, scaled to [-1, 1)."""
    read_some = getattr(pipe, "read1", pipe.read)
    rest = b""
    while block := read_some(_PIPE_BYTES):
        block = rest + block
        whole = len(block) // 2 * 2
        rest = block[whole:]
        if whole:
            yield scaled(np.frombuffer(block[:whole], dtype="<i2"))


class Joined(RawIOBase):
    """Pieces of bytes, read like one file.

    Parameters
    ----------
    pieces
        Objects with the buffer protocol; others raise UsageError where they are read.
    """

    def __init__(self, pieces: Iterable[Any]) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what there is of one piece; return how many bytes, 0 at the end."""
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            if not isinstance(piece, bytes | bytearray | memoryview):
                raise UsageError(f"Audio in bytes goes on with {type(piece).__name__}.")
            self._piece = memoryview(piece).cast("B")
        count = min(len(buffer), len(self._piece))
        buffer[:count], self._piece = self._piece[:count], self._piece[count:]
        return count


class Remembering:
    """A file that ends where reading it fails, so that what came before can be decoded to its end.

    Attributes
    ----------
    problem
        What was raised; raise it again after the last sample.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.problem: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """Return what the file does."""
        return self._kept(self._file.read, size)

    def read1(self, size: int = -1) -> bytes:
        """Return what there is, without waiting for all of it, where the file can."""
        return self._kept(getattr(self._file, "read1", self._file.read), size)

    def seekable(self) -> bool:
        """Whether one can go back in the file."""
        return seekable(self._file)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return where the file stands."""
        return self._file.tell()

    def _kept(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            return read(size)
        except BaseException as problem:
            self.problem = self.problem or problem
            return b""


def closed_after(blocks: Iterable[Any]) -> Generator[Any, None, None]:
    """Yield the blocks; a generator among iterables is closed with this one."""
    try:
        yield from blocks
    finally:
        if isinstance(blocks, Generator):
            blocks.close()


def _frame(samples: Samples, rate: int) -> av.AudioFrame:
    """Return samples, shape [n] or [n, channels], as a packed frame."""
    count = samples.shape[1] if samples.ndim == 2 else 1
    packed = np.ascontiguousarray(samples).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=_layout(count))
    frame.sample_rate = rate
    return frame


def _layout(channels: int) -> str:
    """Return a layout of PyAV; beyond two, channels are not known by name."""
    return {1: "mono", 2: "stereo"}.get(channels, f"{channels}C")


def _copied(frame: av.AudioFrame) -> av.AudioFrame:
    """Return a frame of one's own, since it is changed on the way and others may hold this one."""
    if frame.format.is_planar:  # packed, because PyAV cannot reach more than seven planes
        (own,) = av.AudioResampler(format=frame.format.packed).resample(frame)
        own.pts = None
        return own
    own = av.AudioFrame(frame.format.name, frame.layout.name, frame.samples)
    own.sample_rate = frame.sample_rate
    own.planes[0].update(bytes(frame.planes[0])[: own.planes[0].buffer_size])
    return own
