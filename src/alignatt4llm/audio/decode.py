"""Audio in: any file, URL or standard input becomes blocks of 16 kHz mono samples."""

import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

import av
import numpy as np
from av.audio.stream import AudioStream

from alignatt4llm.audio.beginnings import Begun
from alignatt4llm.audio.clock import clock
from alignatt4llm.audio.line import Line, scaled
from alignatt4llm.audio.open import Recording, recordings
from alignatt4llm.audio.packets import decoded, stated_end
from alignatt4llm.audio.samples import Samples
from alignatt4llm.audio.tracks import choose
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Notice
from alignatt4llm.text.languages import Language

STANDARD_INPUT = "-"

_PIPE_BYTES = 1 << 16
_LITTLE = 1.0
"""Seconds that may be missing at the end."""

Media = tuple[Recording, AudioStream]
"""A recording, and the track of it that is heard."""


class AudioSource:
    """One file, URL or standard input, read once from start to end.

    Iterating yields float32 blocks, shape [n], in [-1, 1] at 16 kHz, as they are decoded. Empty
    audio yields nothing. Times are those of the container, see `Clock`: sound that begins late,
    or is missing, is silence of that length. Media that break off or hold damaged packets yield
    what can be read.

    Parameters
    ----------
    source
        A path, a URL that FFmpeg can read, or ``-`` for standard input: media, or raw 16-bit
        little-endian 16 kHz mono samples.
    stream
        Read instead; ``source`` is then only its name. What cannot be sought in is read while it
        arrives.
    language
        The language that is spoken, which helps to choose among tracks.
    track
        The number of the sound track that is heard, from 1; None to choose, see `choose`.
    channel
        What is heard of several channels: ``mix``, ``left`` or ``right``.

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
        If there is no such file, it is a folder, it is not media, or it has no sound. For
        standard input that is found out when it is read.
    """

    def __init__(
        self,
        source: str,
        stream: BinaryIO | None = None,
        *,
        language: Language | None = None,
        track: int | None = None,
        channel: str = "mix",
    ) -> None:
        self.source = source
        self._name = source if source != STANDARD_INPUT else "Standard input"
        self.duration: float | None = None
        self.notices: list[Notice] = []
        self._language, self._track, self._channel = language, track, channel
        self._media: Iterator[Recording] | None = None
        if stream is not None or source != STANDARD_INPUT:
            self._media = recordings(source, stream)
            self._first = self._chosen(next(self._media))
            length = self._first[0].container.duration
            self.duration = length / av.time_base if length else None

    @property
    def problem(self) -> str | None:
        """What could not be read, or None."""
        kinds = {"damaged", "broken_off"}
        return next((one.text for one in self.notices if one.kind in kinds), None)

    def __iter__(self) -> Iterator[Samples]:
        if self._media is None:
            return self._standard_input()
        return self._decoded(self._first, self._media)

    def _standard_input(self) -> Iterator[Samples]:
        pipe = sys.stdin.buffer  # unbuffered: a thread that waits in it must not block the exit
        begun = Begun(cast(BinaryIO, getattr(pipe, "raw", pipe)))
        if begun.media:
            media = recordings(self._name, begun.whole())
            yield from self._decoded(self._chosen(next(media)), media)
        else:
            yield from raw(cast(BinaryIO, begun))

    def _chosen(self, recording: Recording) -> Media:
        try:
            chosen, sentence = choose(self._name, recording.container, self._language, self._track)
        except BaseException:
            recording.container.close()
            raise
        if sentence:
            self._note("track", sentence, 0.0)
        return recording, chosen

    def _decoded(self, first: Media, others: Iterator[Recording]) -> Iterator[Samples]:
        line = Line(clock(first[0].container), self._channel)
        stated = stated_end(first[0].container, first[1])
        yield from self._heard(line, first)
        alone = True
        try:
            for recording in others:
                alone, line.clock = False, clock(recording.container, line.position)
                yield from self._heard(line, self._chosen(recording))
        except UsageError as problem:
            self._note("broken_off", str(problem), line.position)
        yield from line.end()
        if alone and stated and not line.clock.jumps and line.position < stated - _LITTLE:
            text = f"'{self._name}' says it lasts {stated:.1f} s, but ends early."
            self._note("broken_off", text, line.position)

    def _heard(self, line: Line, media: Media) -> Iterator[Samples]:
        def note(kind: str, text: str) -> None:
            self._note(kind, text, line.position)

        with media[0].container:
            for frame in decoded(*media, self._name, note):
                yield from line.put(frame)
                if line.clock.jumps:
                    note("clock", f"The clock of '{self._name}' jumps; times go on from there.")

    def _note(self, kind: str, text: str, time: float) -> None:
        """Say something of a kind, once."""
        if all(notice.kind != kind for notice in self.notices):
            self.notices.append(Notice(kind, text, time))


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
            yield scaled(np.frombuffer(block[:whole], dtype="<i2"))


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
