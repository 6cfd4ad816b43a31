"""Time as a listener sees it, for a run that is faster than real time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import Commit, Event
from alignatt4llm.schedule.timeline import Streamed
from alignatt4llm.session import Heard


class StreamClock:
    """Time as a listener sees it, on the clock of the audio, for a run faster than real time.

    A step begins when its audio is there and the step before it is done, whichever is later; it
    takes as long as its computation was measured to take.

    Parameters
    ----------
    now
        Clock of the machine, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._began = self._start = 0.0
        self._free = 0.0
        self.processing = 0.0

    def begin(self, audio_s: float) -> None:
        """Begin a step whose audio ends at ``audio_s`` seconds."""
        self._start = max(audio_s, self._free)
        self._began = self._now()

    def read(self) -> float:
        """Return the time within a step, in seconds since the recording began."""
        return self._start + self._now() - self._began

    def end(self) -> float:
        """End the step and return the time."""
        took = self._now() - self._began
        self._free = self._start + took
        self.processing += took
        return self._free


class Clocked:
    """A session whose commits carry the time of a `StreamClock` as their ``wall_s``."""

    def __init__(self, session: Streamed, clock: StreamClock) -> None:
        self._session = session
        self._clock = clock
        self._samples = 0

    def listen(self, samples: Samples) -> Heard:
        """Recognise the next chunk, which begins when its audio is there."""
        self._samples += len(samples)
        self._begin()
        heard = self._session.listen(samples)
        self._clock.end()
        return heard

    def translate(self, heard: Sequence[Heard]) -> Iterator[Event]:
        """Take in what was heard and yield what follows."""
        return self._timed(self._session.translate(heard))

    def finish(self) -> Iterator[Event]:
        """Yield the rest."""
        return self._timed(self._session.finish())

    def _timed(self, events: Iterator[Event]) -> Iterator[Event]:
        self._begin()
        for event in events:
            timed = isinstance(event, Commit)
            yield replace(event, wall_s=self._clock.read()) if timed else event
        self._clock.end()

    def _begin(self) -> None:
        self._clock.begin(self._samples / SAMPLE_RATE)
