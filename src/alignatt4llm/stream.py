"""One speaker, and every language that is made of what is said: heard once, said many times."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from threading import Lock
from typing import Protocol

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.delays import Delays
from alignatt4llm.events import JOINED, Event, Piece, SourceWord, TargetState
from alignatt4llm.prompts.prompt import Closed
from alignatt4llm.recognizers.base import Recognizer
from alignatt4llm.recognizers.shifted import Shifted
from alignatt4llm.schedule.streaming import Streaming
from alignatt4llm.text.languages import Language
from alignatt4llm.transcript import Heard, Recognition, SourceSettings, Transcript


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stream stands between two events: what another session needs to go on with it.

    Attributes
    ----------
    heard
        Committed source words of the open utterance.
    pieces
        What has been said of it.
    utterance
        Its number.
    history
        The utterances closed before it, oldest first.
    recent
        The last source words of these.
    said
        Whether anything has been said, in this utterance or before.
    wall_s
        Seconds from the beginning of the stream until something was last said.
    first
        Source words of the stream before the open utterance.
    """

    heard: tuple[SourceWord, ...] = ()
    pieces: tuple[Piece, ...] = ()
    utterance: int = 0
    history: tuple[Closed, ...] = ()
    recent: tuple[str, ...] = ()
    said: bool = False
    wall_s: float = 0.0
    first: int = 0


class Begins(Enum):
    """From which words on a stream is translated into a language that is added while it runs."""

    NEXT = "next"
    """From the next utterance on."""
    START = "start"
    """From the beginning of the stream, however long ago that was."""


class Says(Protocol):
    """What translates a stream into one language; a session.

    Attributes
    ----------
    to
        Code of the language.
    """

    to: str

    def translate(self, heard: Sequence[Heard]) -> Iterator[Event]:
        """Take in what was heard, in order, and yield what follows from all of it."""
        ...

    def finish(self, last: Recognition | None = None) -> Iterator[Event]:
        """Say that the stream has ended, and everything that is pending; nothing is kept then."""
        ...

    def restore(self, standing: Standing, samples: int, delays: Delays | None = None) -> None:
        """Continue what another session began."""
        ...

    def close(self) -> None:
        """Free what is kept for this language."""
        ...


class Stream(Streaming):
    """One stream that is heard once, for any number of targets.

    Every target has its own utterances, closes and ends; none waits for another. They may be added
    and dropped from any thread while the stream is fed.

    Parameters
    ----------
    recognizer
        Of this stream.
    spoken
        What is spoken.
    settings
        Where the source makes a full stop, so that a later target may begin there.
    now
        Wall clock in seconds.
    chunk
        Seconds of audio per step, where it takes all of its audio itself.

    Attributes
    ----------
    targets
        What has not ended, by the code of its language.
    words
        Every committed word of the stream.
    recognizer
        Of this stream.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        spoken: Language,
        settings: SourceSettings = SourceSettings(),
        now: Callable[[], float] = time.monotonic,
        chunk: float = 1.0,
    ) -> None:
        self.spoken, self.chunk = spoken, chunk
        self.targets: Mapping[str, _Line] = {}
        self.words: list[SourceWord] = []
        self.recognizer = recognizer
        self._open = Transcript(spoken, settings)
        self._now = now
        self._began = now()
        self._sessions: list[Says] = []
        self._lock, self._ending = Lock(), Lock()
        self._last: Recognition | None = None

    @property
    def samples(self) -> int:
        """Samples of the stream that were heard."""
        return self._open.samples

    @property
    def wall(self) -> float:
        """Seconds since the stream began."""
        return self._now() - self._began

    def restore(self, words: Sequence[SourceWord], opened: int, samples: int, wall: float) -> None:
        """Continue what another stream began; call it before the first `listen`.

        Parameters
        ----------
        words
            Everything that was heard for good.
        opened
            How many of the last words are in an utterance that is open.
        samples
            The first sample to be heard.
        wall
            Seconds since the stream began.
        """
        self.words = list(words)
        self._open.committed = list(words[len(words) - opened :])
        self._open.samples = samples
        self._began = self._now() - wall
        self.recognizer = Shifted(self.recognizer, samples)

    def add(
        self, session: Says, begins: Begins | None = None, before: Standing = Standing()
    ) -> None:
        """Translate into another language.

        Parameters
        ----------
        session
            Says it. Its recogniser is not asked.
        begins
            Which words it begins with; by default with those that are heard next, and none is
            left out where a stream begins or is continued.
        before
            What was said in this language before it was dropped; it has to have ended.
        """
        late = _Late(begins, before, self.words) if begins else None
        with self._lock:
            self._sessions.append(session)
            self.targets = {**self.targets, session.to: _Line(self, session, late)}

    def drop(self, to: str, until: int | None = None) -> None:
        """Say in a language what was heard for good by now, or in so many words, and end it."""
        if line := self.targets.get(to):
            line.until = len(self.words) if until is None else until

    def forget(self, line: "_Line") -> None:
        """Part with a target that has ended."""
        with self._lock:
            self._sessions.remove(line.session)
            kept = {to: each for to, each in self.targets.items() if each is not line}
            self.targets = kept

    def listen(self, samples: Samples) -> Heard:
        """Recognise the next chunk; it may run while other threads translate."""
        silent = not self._open.visible
        said = self.recognizer.feed(samples)
        self._open.update(said, len(samples))
        self.words.extend(said.committed)
        opened = tuple(self._open.committed) if self._stops() or silent else None
        return Heard(said, len(samples), self._open.samples, len(self.words), opened)

    def last(self, line: "_Line") -> Recognition:
        """Return what is heard at the end of the stream; nothing for a target that was dropped."""
        if not line.stays:
            return Recognition()
        with self._ending:
            if self._last is None:
                self._last = self.recognizer.finish()
                self.words.extend(self._last.committed)
            return self._last

    def close(self) -> None:
        """Free what is kept for the targets that have not ended."""
        for session in self._sessions:
            session.close()

    def _stops(self) -> bool:
        """Whether the source has made a full stop; what lies before it is forgotten."""
        stopped = False
        while count := self._open.closing():
            self._open.close(count)
            stopped = True
        return stopped


@dataclass(frozen=True, slots=True)
class _Late:
    """What a target waits for that was added while the stream runs."""

    begins: Begins
    before: Standing
    heard: Sequence[SourceWord]

    def words(self, one: Heard) -> Sequence[SourceWord] | None:
        """Return the words to begin with, once they are there, up to the end of a chunk."""
        return one.opened if self.begins is Begins.NEXT else self.heard[: one.words]


class _Line:
    """One target of a stream, from the word on with which it begins.

    Attributes
    ----------
    session
        Says it.
    until
        How many words of the stream had been heard when it was dropped; None if it was not.
    """

    def __init__(self, stream: Stream, session: Says, late: "_Late | None") -> None:
        self._stream, self.session, self._late = stream, session, late
        self.until: int | None = None

    @property
    def stays(self) -> bool:
        """Whether it goes on."""
        return self.until is None

    def translate(self, heard: Sequence[Heard]) -> Iterator[Event]:
        """Say what follows from what was heard, once there is something to begin with."""
        for step, one in enumerate(heard, 1):
            if self._late and (words := self._late.words(one)) is not None:
                yield self._begin(words, one.words - len(words), one.until)
                heard = heard[step:]
                break
        if not self._late:
            yield from self.session.translate(heard)

    def finish(self) -> Iterator[Event]:
        """Say the rest, and that there is no more."""
        last = self._stream.last(self)
        if self._late and self._late.begins is Begins.START:
            count = len(self._stream.words) - len(last.committed)
            words = self._stream.words[: count if self.until is None else self.until]
            yield self._begin(words, 0, self._stream.samples)
        yield from self.session.finish(Recognition() if self._late else last)
        self._stream.forget(self)

    def _begin(self, words: Sequence[SourceWord], first: int, samples: int) -> TargetState:
        assert self._late
        before, from_start = self._late.before, self._late.begins is Begins.START
        self._late = None
        standing = replace(before, heard=tuple(words), first=first, wall_s=self._stream.wall)
        self.session.restore(standing, samples)
        return TargetState(JOINED, samples / SAMPLE_RATE, first, from_start, self.session.to)
