"""A whole stream, from its audio to its events: in threads, or beside an event loop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import closing, suppress
from threading import RLock
from typing import Protocol, Self
from weakref import ref

from alignatt4llm.audio.decode import Audio, AudioSource
from alignatt4llm.audio.samples import Samples
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Event
from alignatt4llm.schedule.aside import END, Aside
from alignatt4llm.schedule.feeder import LONGEST, Fed, Feeder, run
from alignatt4llm.schedule.lanes import Lanes, Left
from alignatt4llm.schedule.watch import Watch
from alignatt4llm.text.languages import Language


class Streamable(Fed, Protocol):
    """What hears a stream and translates it.

    Attributes
    ----------
    spoken
        The language that is spoken.
    chunk
        Seconds of audio per step.
    """

    spoken: Language
    chunk: float
    _running: "_Running | None"

    def close(self) -> None:
        """Free what is kept for the stream; it may be called again."""
        ...


class Streaming:
    """What a session has for programs: it takes all of its audio by itself.

    Leaving a ``with`` or ``async with`` block of it ends what runs and frees what is kept.
    """

    _running: "_Running | None" = None

    def stream(self: Streamable, audio: Audio | AudioSource) -> "Events":
        """Translate audio to its end, and say what comes of it.

        Read the events with ``for``, or with ``async for`` while the event loop goes on: the
        work is done in threads. Both say the same. Nobody runs far ahead: audio is read when it
        is wanted (if it is live, half a minute ahead at most), and events are made no further
        than those of the step in progress. When the reader leaves early, all that runs ends
        after the step in progress and the session is closed.

        Parameters
        ----------
        audio
            An `AudioSource`, or what one can be made of: a path, bytes, arrays and so on. An
            async iterable can be read with ``async for`` only. Of several tracks the one in the
            session's language is heard, unless the `AudioSource` was told another one.

        Raises
        ------
        UsageError
            If this session has streamed before, or the `AudioSource` was read. With the first
            event, if the audio cannot be opened. What the source raises while it is read is raised
            as it is, once all that was heard before it has been said.

        Examples
        --------
        >>> for event in session.stream("talk.mp4"):
        ...     if isinstance(event, Commit):
        ...         print(event.text, end="")
        """
        if self._running:
            raise UsageError("A session translates one stream; open another one for the next.")
        if not isinstance(audio, AudioSource):
            audio = AudioSource(audio, at_once=False)
        audio.claim(self.spoken)
        self._running = _Running(self, audio)
        return Events(self._running)

    def __enter__(self) -> Self:
        return self

    def __exit__(self: Streamable, *error: object) -> None:
        if self._running:
            self._running.end()
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self: Streamable, *error: object) -> None:
        if self._running:
            await self._running.ended()
        self.close()


class Events(Iterator[Event], AsyncIterator[Event]):
    """The events of one stream, in order; what `Session.stream` returns.

    Read it with ``for`` or with ``async for``, once. It begins with the first event that is asked
    for.

    Examples
    --------
    >>> events = session.stream("talk.mp4")
    >>> first = next(events)
    >>> events.stop()
    >>> rest = list(events)
    """

    def __init__(self, running: "_Running") -> None:
        self._running = running
        self._steps: Generator[Event, None, None] | None = None
        self._awaited: AsyncGenerator[Event, None] | None = None

    def __next__(self) -> Event:
        with self._running.stepping:
            if self._steps is None:
                self._steps = self._running.begin()
            return next(self._steps)

    async def __anext__(self) -> Event:
        if self._awaited is None:
            self._awaited = self._running.begin_aside()
        return await anext(self._awaited)

    def stop(self) -> None:
        """Take no more audio: what was heard is still said, and then the events end.

        Of live audio, all that has been read is still heard. Any thread may call it, and
        a signal handler.
        """
        self._running.stop()

    def close(self) -> None:
        """Say nothing more: end all that runs, after the step in progress, and the session."""
        self._running.end()

    async def aclose(self) -> None:
        """Do what `close` does, while the event loop goes on."""
        await self._running.ended()


class _Running:
    """One stream on its way, and how it is ended from outside.

    It keeps the work alive only where a thread does it: otherwise that ends with its reader.
    ``stepping`` is held by a reader for the length of a step, and by nobody else for long.
    """

    def __init__(self, session: Streamable, source: AudioSource) -> None:
        self._session, self._source = session, source
        self._timeline = Lanes(
            self._blocks(), lambda: source.ready, LONGEST if source.live else 0.0, waits=True
        )
        self._begun = self._ended = False
        self.stepping = RLock()  # what ends it may interrupt the reader
        self._steps: ref[Generator[Event, None, None]] | None = None
        self._aside: Aside[Event] | None = None

    def begin(self) -> Generator[Event, None, None]:
        """Return the work, which is done while its events are asked for."""
        if self._ended:
            return _nothing()
        if self._begun:
            raise UsageError("The events of a stream are read once, in one way.")
        self._begun = True
        steps = _steps(self._session, self._source, self._timeline)
        self._steps = ref(steps)
        return steps

    async def begin_aside(self) -> AsyncGenerator[Event, None]:
        """Yield the events of the work, which is done in a thread."""
        if self._ended:
            return
        self._source.attend()
        aside = self._aside = Aside(self.begin(), "stream", self._session.close)
        try:
            while (event := await asyncio.wrap_future(aside.ask())) is not END:
                yield event
        finally:
            await self.ended()

    def stop(self) -> None:
        """Take no more audio; of what is live, no more than there is already."""
        if self._begun and self._source.live:
            self._source.stop()
        else:
            self._timeline.stop()

    def end(self) -> None:
        """End the work and wait for that."""
        self._ended = True
        self._timeline.leave()
        if self._aside:
            self._aside.leave()
            self._aside.over.result()
            return
        with self.stepping:
            if self._steps and (steps := self._steps()):
                with suppress(ValueError):  # from within a step, which will end it
                    steps.close()
            elif not self._begun:
                self._source.close()
                self._session.close()

    async def ended(self) -> None:
        """End the work and wait for that while the event loop goes on."""
        if self._aside:
            self._ended = True
            self._timeline.leave()
            self._aside.leave()
            await asyncio.shield(asyncio.wrap_future(self._aside.over))
            await self._source.aclose()
        else:
            self.end()

    def _blocks(self) -> Generator[Samples, None, None]:
        """Yield the audio; it is opened when the first of it is wanted."""
        yield from self._source.blocks()


def _nothing() -> Generator[Event, None, None]:
    yield from ()


def _steps(
    session: Streamable, source: AudioSource, timeline: Lanes
) -> Generator[Event, None, None]:
    """Translate, and yield the events; everything is freed at the end, wherever that is."""
    longest = LONGEST if source.live else session.chunk
    watch = Watch(session.spoken, lambda: source.notices)
    feeder = Feeder(session, session.chunk, longest=longest, watch=watch)
    with closing(session):
        source.open()
        with timeline, closing(source), suppress(Left):
            yield from run(feeder, timeline)
