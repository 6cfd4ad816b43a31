"""Audio in a container, decoded while its bytes arrive."""

from collections.abc import Iterator
from typing import BinaryIO, cast

from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.errors import UsageError
from alignatt4llm.recognizers.base import Samples
from alignatt4llm.serve.errors import BadAudio
from alignatt4llm.serve.pipe import Pipe

_BEGINNINGS = ((0, b"\x1aE\xdf\xa3"), (0, b"OggS"), (0, b"RIFF"), (0, b"fLaC"), (4, b"ftyp"))
"""What WebM, Ogg, WAV, FLAC and MP4 begin with. FFmpeg would read a megabyte before it gave up."""


def decoded(pipe: Pipe) -> Iterator[Samples]:
    """Yield the samples of a container that can be streamed; see `AudioSource`.

    Raises
    ------
    BadAudio
        If it is none, or has no sound.
    """
    head = pipe.peek(8)
    try:
        if head and not any(head.startswith(mark, at) for at, mark in _BEGINNINGS):
            raise UsageError("It is no container.")
        if head:
            yield from AudioSource("The audio", cast(BinaryIO, pipe))
    except UsageError as problem:
        raise BadAudio(
            "The audio is in no container that can be read while it arrives; send WebM, Ogg, WAV, "
            "FLAC or fragmented MP4, or raw s16le."
        ) from problem
