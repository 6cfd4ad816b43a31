"""Audio in: whatever a program or a user has becomes blocks of 16 kHz mono samples."""

import sys
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Iterator
from contextlib import closing
from io import BytesIO, TextIOBase
from itertools import chain
from numbers import Real
from os import PathLike, fspath
from threading import Event as Flag
from typing import Any, BinaryIO, Self, cast

import av
import numpy as np
from numpy.typing import NDArray

from alignatt4llm.audio.ahead import Ahead
from alignatt4llm.audio.awaited import AsyncFile, Awaited, pieces, reads
from alignatt4llm.audio.beginnings import Begun
from alignatt4llm.audio.blocks import Joined, Remembering, closed_after, raw, resampled
from alignatt4llm.audio.media import Media
from alignatt4llm.audio.microphone import microphone
from alignatt4llm.audio.mix import CHANNELS
from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Notice
from alignatt4llm.text.languages import Language

STANDARD_INPUT = "-"

_FASTEST = 768_000
"""Samples per second that are believed."""

Block = NDArray[Any] | av.AudioFrame | bytes | bytearray | memoryview
"""Some sound: numbers of shape [n] or [n, channels], a frame of PyAV, or bytes."""

Audio = str | PathLike[str] | BinaryIO | AsyncFile | Block | Iterable[Block] | AsyncIterable[Block]
"""What an `AudioSource` is made of."""


class AudioSource:
    """Any audio, read once from start to end, by one reader.

    Iterating yields float32 blocks, shape [n], in [-1, 1] at 16 kHz, as they come. Empty audio
    yields nothing. Times are those of the container, see `Clock`: sound that begins late, or is
    missing, is silence of that length. Media that break off or hold damaged packets yield what can
    be read.

    Parameters
    ----------
    source
        One of

        - a path, a URL that FFmpeg can read, or ``-`` for standard input;
        - bytes, or a file opened in binary mode, which may be asynchronous;
        - an array of numbers, shape [n] or [n, channels]: floating-point in [-1, 1], or signed
          integers of 8, 16 or 32 bits in the range of their type;
        - an iterable, or an async iterable, of blocks that follow on each other: arrays, frames
          of PyAV, or bytes.

        Bytes are media of any kind, or raw 16-bit little-endian mono samples.
    stream
        Media to be read instead; ``source`` is then only its name. What cannot be sought in is
        read while it arrives.
    language
        The language that is spoken, which helps to choose among tracks.
    track
        The number of the sound track that is heard, from 1; None to choose, see `choose`.
    channel
        What is heard of several channels: ``mix``, ``left`` or ``right``.
    rate
        Samples per second, a whole number, of arrays and of raw bytes; media and frames know their
        own.
    live
        Whether the sound goes on whether or not it is taken, as that of a microphone does. It is
        then read ahead, by half a minute at most, and what is late is translated in one step, so
        that the translation catches up. Other audio waits; what is said of it does not depend on
        how fast it comes.

    Attributes
    ----------
    duration
        Seconds the source says it lasts; None if it does not say, as live streams do not.
    notices
        What one should know, each with where it was noticed; it grows while the source is read.
        Kinds are ``track`` (which one of several is heard), ``clock`` (it jumps, and times are
        no longer those of the container), ``damaged`` and ``broken_off``, each once at most.

    Raises
    ------
    UsageError
        If there is no such file, it is a folder, it is not media, or it has no sound; or ``rate``
        or ``channel`` cannot be. For standard input, bytes and blocks, and for what is not opened
        at once, that is found out when they are read.

    Examples
    --------
    >>> AudioSource("talk.mp4", channel="left")
    >>> AudioSource(blocks_of_int16, rate=48_000)
    >>> AudioSource(websocket.iter_bytes(), live=True)
    >>> AudioSource.microphone()
    """

    def __init__(
        self,
        source: Audio,
        stream: BinaryIO | None = None,
        language: Language | None = None,
        track: int | None = None,
        channel: str = "mix",
        *,
        rate: float = SAMPLE_RATE,
        live: bool = False,
        at_once: bool = True,
    ) -> None:
        _check(rate, channel)
        rate = int(rate)
        named = isinstance(source, str | PathLike)
        self.source = fspath(cast(str, source)) if named else "The audio"
        self.live = live
        self.duration: float | None = None
        self.notices: list[Notice] = []
        self._language, self._how = language, (track, channel)
        self._claimed = False
        self._rate, self._channel = rate, channel
        self._audio: Any = pieces(cast(AsyncFile, source)) if reads(source) else source
        self._ahead: Ahead | None = None
        self._stopped = self._begun = False
        self._end: Callable[[], None] = self._keep_no_more
        self._stream = None if stream is None else _pipe(stream)
        if at_once:
            self.open()

    @classmethod
    def microphone(cls, device: str | int | None = None, channel: str = "mix") -> Self:
        """Return what a microphone hears from now on.

        Parameters
        ----------
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
        stopped = Flag()
        source = cls(microphone(stopped, device, channel), channel=channel, live=True)
        source._end = stopped.set
        return source

    @property
    def problem(self) -> str | None:
        """What could not be read, or None."""
        return self._noticed("damaged", "broken_off")

    @property
    def broken_off(self) -> str | None:
        """Why not all of it has come, or None."""
        return self._noticed("broken_off")

    def _noticed(self, *kinds: str) -> str | None:
        return next((one.text for one in self.notices if one.kind in kinds), None)

    @property
    def ready(self) -> bool:
        """Whether the next block of what is live is there without waiting."""
        return self._ahead is not None and self._ahead.ready

    def __iter__(self) -> Iterator[Samples]:
        self.claim()
        return self.blocks()

    def claim(self, spoken: Language | None = None) -> None:
        """Have it for oneself.

        Parameters
        ----------
        spoken
            The language that is spoken, where the source was not told.

        Raises
        ------
        UsageError
            If somebody has it already.
        """
        if self._claimed:
            raise UsageError("An AudioSource is read once; make another one to hear it again.")
        self._claimed = True
        if self._language or not spoken:
            return
        self._language = spoken
        if isinstance(self._audio, Media):
            self._audio.choose(spoken)

    def blocks(self) -> Iterator[Samples]:
        """Yield the blocks, once, to whoever has claimed it."""
        blocks = self._until_closed()
        if not self.live:
            return blocks
        self._ahead = Ahead(blocks)
        return self._ahead

    def open(self) -> None:
        """Open the file or the address, if it is one and that has not been done."""
        named = isinstance(self._audio, str | PathLike) and self.source != STANDARD_INPUT
        if named or (self._stream is not None and not isinstance(self._audio, Media)):
            self._audio = Media(self.source, self.notices, self._stream, self._language, *self._how)
            self.duration = self._audio.duration

    def attend(self) -> None:
        """Let threads wait for what an async iterable brings; call it in its event loop."""
        if _is_awaited(self._audio):
            self._audio = Awaited(self._audio)
            self._end = self._audio.close

    def stop(self) -> None:
        """Read no more of what is live; what was read can still be had. Any thread may call it."""
        self._end()

    def close(self) -> None:
        """Read no more, and let nobody wait for more; any thread may call it."""
        self._end()
        self._stopped = True
        if self._ahead:
            self._ahead.close()
        if isinstance(self._audio, Media) and not self._begun:
            self._audio.close()

    async def aclose(self) -> None:
        """Read no more, and close what brings it, if that is an async generator."""
        self.close()
        if isinstance(self._audio, Awaited):
            await self._audio.aclose()

    def _keep_no_more(self) -> None:
        self._stopped = True
        if self._ahead:
            self._ahead.finish()

    def _until_closed(self) -> Generator[Samples, None, None]:
        """Yield the samples, up to the block that is read when somebody has had enough."""
        with closing(self._blocks()) as blocks:
            while not self._stopped and (block := next(blocks, None)) is not None:
                yield block

    def _blocks(self) -> Generator[Samples, None, None]:
        self._begun = True
        self.open()
        audio = self._audio
        if _is_awaited(audio):
            raise UsageError("This audio is an async iterable; translate it with 'async for'.")
        if isinstance(audio, Media):
            yield from audio
        elif self.source == STANDARD_INPUT or hasattr(audio, "read"):
            yield from self._piped(_pipe(audio))
        elif isinstance(audio, bytes | bytearray | memoryview):
            yield from self._piped(BytesIO(audio))
        elif isinstance(audio, av.AudioFrame) or hasattr(audio, "__array__"):
            yield from resampled([audio], self._rate, self._channel)
        elif isinstance(audio, Iterable):
            yield from self._joined(closed_after(audio))
        else:
            raise UsageError(f"Audio cannot be read from {type(audio).__name__}.")

    def _joined(self, blocks: Generator[Any, None, None]) -> Iterator[Samples]:
        """Yield the samples of blocks of whatever kind the first is."""
        try:
            for first in blocks:
                whole = chain([first], blocks)
                if isinstance(first, bytes | bytearray | memoryview):
                    yield from self._piped(cast(BinaryIO, Joined(whole)))
                else:
                    yield from resampled(whole, self._rate, self._channel)
        finally:
            blocks.close()

    def _piped(self, pipe: BinaryIO) -> Iterator[Samples]:
        """Yield the samples of bytes; what their source raises is raised after the last."""
        file = Remembering(pipe)
        try:
            yield from self._decoded(cast(BinaryIO, file))
        except UsageError:
            if file.problem is None:
                raise
        if file.problem:
            raise file.problem

    def _decoded(self, file: BinaryIO) -> Iterator[Samples]:
        """Yield the samples of bytes, which tell what they are."""
        begun = Begun(file)
        name = "Standard input" if self.source == STANDARD_INPUT else self.source
        if begun.media:
            yield from Media(name, self.notices, begun.whole(), self._language, *self._how)
        elif self._rate == SAMPLE_RATE:
            yield from raw(begun.whole())
        else:
            yield from resampled(raw(begun.whole()), self._rate, self._channel)


def read(source: str) -> Iterator[Samples]:
    """Yield the samples of a source in blocks, see `AudioSource`."""
    return iter(AudioSource(source))


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


def _is_awaited(audio: object) -> bool:
    return isinstance(audio, AsyncIterable) and not isinstance(audio, Iterable)


def _pipe(file: Any) -> BinaryIO:
    """Return what bytes are read from."""
    if file == STANDARD_INPUT:  # unbuffered: a thread that waits in it must not block the exit
        return cast(BinaryIO, getattr(sys.stdin.buffer, "raw", sys.stdin.buffer))
    if isinstance(file, TextIOBase):
        raise UsageError("The audio is a file opened as text; open it with mode 'rb'.")
    if getattr(file, "closed", False) is True:
        raise UsageError("The audio is a file that is closed; keep it open until the events end.")
    return cast(BinaryIO, file)


def _check(rate: float, channel: str) -> None:
    """Raise UsageError unless sound can be so."""
    if not isinstance(rate, Real) or not 0 < rate <= _FASTEST or rate % 1:
        raise UsageError(f"rate is {rate}; it counts samples per second, 1 to {_FASTEST}.")
    if channel not in CHANNELS:
        raise UsageError(f"channel is '{channel}'; it is one of {', '.join(CHANNELS)}.")
