"""Media under one name: containers, decoded one after the other to samples."""

from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO

import av
from av.audio.stream import AudioStream

from alignatt4llm.audio.clock import clock
from alignatt4llm.audio.line import Line
from alignatt4llm.audio.open import Recording, recordings
from alignatt4llm.audio.packets import decoded, stated_end
from alignatt4llm.audio.samples import Samples
from alignatt4llm.audio.tracks import choose
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Notice
from alignatt4llm.text.languages import Language

_LITTLE = 1.0
"""Seconds that may be missing at the end."""

Chosen = tuple[Recording, AudioStream]
"""A recording, and the track of it that is heard."""


class Media:
    """What is in a file, at an address or in a stream of bytes, read once from start to end.

    Iterating yields float32 blocks, shape [n], in [-1, 1] at 16 kHz, as they are decoded. Times
    are those of the container, see `Clock`: sound that begins late, or is missing, is silence of
    that length. Media that break off or hold damaged packets yield what can be read.

    Parameters
    ----------
    name
        A path or a URL that FFmpeg can read.
    notices
        Takes what one should know, each with where it was noticed.
    stream
        Read instead; ``name`` is then only its name. What cannot be sought in is read while it
        arrives.
    language, track, channel
        As for `AudioSource`.

    Attributes
    ----------
    duration
        Seconds it says it lasts; None if it does not say.

    Raises
    ------
    UsageError
        If there is no such file, it is a folder, it is not media, or it has no sound.
    """

    def __init__(
        self,
        name: str,
        notices: list[Notice],
        stream: BinaryIO | None = None,
        language: Language | None = None,
        track: int | None = None,
        channel: str = "mix",
    ) -> None:
        self._name, self._notices = name, notices
        self._language, self._track, self._channel = language, track, channel
        self._others = recordings(name, stream)
        self._first = self._chosen(next(self._others))
        length = self._first[0].container.duration
        self.duration = length / av.time_base if length else None

    def __iter__(self) -> Iterator[Samples]:
        with closing(self._others) as others:
            yield from self._samples(self._first, others)

    def close(self) -> None:
        """Let go of what nobody reads."""
        self._first[0].container.close()
        self._others.close()

    def _samples(self, first: Chosen, others: Iterator[Recording]) -> Iterator[Samples]:
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

    def choose(self, spoken: Language) -> None:
        """Choose again among the tracks, for a language; nothing has been read yet."""
        self._language = spoken
        self._notices[:] = [notice for notice in self._notices if notice.kind != "track"]
        self._first = self._chosen(self._first[0])

    def _chosen(self, recording: Recording) -> Chosen:
        try:
            chosen, sentence = choose(self._name, recording.container, self._language, self._track)
        except BaseException:
            recording.container.close()
            raise
        if sentence:
            self._note("track", sentence, 0.0)
        return recording, chosen

    def _heard(self, line: Line, media: Chosen) -> Iterator[Samples]:
        def note(kind: str, text: str) -> None:
            self._note(kind, text, line.position)

        with media[0].container:
            for frame in decoded(*media, self._name, note):
                yield from line.put(frame)
                if line.clock.jumps:
                    note("clock", f"The clock of '{self._name}' jumps; times go on from there.")

    def _note(self, kind: str, text: str, time: float) -> None:
        """Say something of a kind, once."""
        if all(notice.kind != kind for notice in self._notices):
            self._notices.append(Notice(kind, text, time))
