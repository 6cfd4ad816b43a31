"""Samples out of the bytes that a client sends: raw, or decoded from a container on the way."""

from collections.abc import Generator, Iterator, Sequence
from typing import BinaryIO, Protocol, cast

from alignatt4llm.audio.ahead import Ahead
from alignatt4llm.audio.blocks import raw
from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.audio.samples import Samples
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Notice
from alignatt4llm.serve.errors import BadAudio
from alignatt4llm.serve.pipe import Pipe

_BEGINNINGS = ((0, b"\x1aE\xdf\xa3"), (0, b"OggS"), (0, b"RIFF"), (0, b"fLaC"), (4, b"ftyp"))
"""What WebM, Ogg, WAV, FLAC and MP4 begin with. FFmpeg would read a megabyte before it gave up."""
_UNSUITABLE = (
    "No sound can be read from this container while it arrives; send WebM, Ogg, WAV, FLAC or "
    "fragmented MP4 with a sound track, or raw s16le, or upload the whole file instead."
)


class Incoming(Protocol):
    """Blocks of samples as they arrive.

    Attributes
    ----------
    failed
        Whether they ended with an error.
    """

    failed: bool

    def __iter__(self) -> Iterator[Samples]:
        """Yield blocks until the pipe is closed and read."""
        ...

    @property
    def ready(self) -> bool:
        """Whether the next block is there without waiting."""
        ...

    @property
    def notices(self) -> Sequence[Notice]:
        """What one should know about the audio so far."""
        ...


class Raw:
    """16-bit little-endian samples."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.failed = False

    def __iter__(self) -> Iterator[Samples]:
        """Yield blocks; see `Incoming`."""
        return raw(cast(BinaryIO, self._pipe))

    @property
    def ready(self) -> bool:
        """Whether another sample is there."""
        return self._pipe.waiting > 1

    @property
    def notices(self) -> Sequence[Notice]:
        """None; see `Incoming`."""
        return ()


class Container:
    """WebM, Ogg and others; a thread of its own decodes, since decoders wait for whole pages.

    Iterating raises BadAudio if no sound can be read from it.
    """

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self.failed = False
        self._ahead: Ahead | None = None
        self._source: AudioSource | None = None

    def __iter__(self) -> Iterator[Samples]:
        """Yield blocks; see `Incoming`."""
        self._ahead = Ahead(self._decoded())
        try:
            yield from self._ahead
        except Exception:
            self.failed = True
            raise
        finally:
            self._ahead.close()

    @property
    def ready(self) -> bool:
        """Whether a block has been decoded."""
        return self._ahead is not None and self._ahead.ready

    @property
    def notices(self) -> Sequence[Notice]:
        """What one should know about the container; see `Incoming`."""
        return self._source.notices if self._source else ()

    def _decoded(self) -> Generator[Samples, None, None]:
        """Yield every block; raise BadAudio if there are bytes and no sound in them."""
        head = self._pipe.peek(8)
        if not head:
            return
        if not any(head.startswith(mark, at) for at, mark in _BEGINNINGS):
            raise BadAudio(_UNSUITABLE)
        try:
            self._source = AudioSource("The audio", cast(BinaryIO, self._pipe))
        except UsageError as problem:
            raise BadAudio(_UNSUITABLE) from problem
        heard = False
        for block in self._source:
            heard = True
            yield block
        if self._source.problem and not heard:
            raise BadAudio(_UNSUITABLE) from UsageError(self._source.problem)
