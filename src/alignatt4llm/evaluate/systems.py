"""What is measured: a live session, or the same model translating whole segments."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from alignatt4llm.audio.decode import chunks, read
from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.delays import Delays
from alignatt4llm.evaluate.corpus import Recording
from alignatt4llm.evaluate.hypothesis import Hypothesis
from alignatt4llm.events import Close, Commit, Event
from alignatt4llm.prompts.prompt import PromptForm
from alignatt4llm.schedule.feeder import Feeder, run
from alignatt4llm.schedule.timelines import MeasuredTimeline
from alignatt4llm.schedule.watch import Watch
from alignatt4llm.session import Session
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.units import units
from alignatt4llm.text.words import split_words
from alignatt4llm.translators.base import Drafter

Now = Callable[[], float]
"""A clock in seconds."""

Record = Callable[[Event], None]
"""Keeps an event of the session."""


class System(Protocol):
    """Translates one recording."""

    def __call__(self, recording: Recording, record: Record) -> Hypothesis:
        """Translate, telling every event."""
        ...


class StreamClock:
    """Time as a listener sees it, on the clock of the audio, for a run faster than real time.

    A step begins when its audio is there and the step before it is done, whichever is later; it
    takes as long as its computation was measured to take.

    Parameters
    ----------
    now
        Clock of the machine, in seconds.
    """

    def __init__(self, now: Now) -> None:
        self._now = now
        self._began = self._start = 0.0
        self._free = 0.0
        self.processing = 0.0

    def begin(self, audio_s: float) -> None:
        """Begin a step whose audio ends at ``audio_s`` seconds."""
        self._start = max(audio_s, self._free)
        self._began = self._now()

    def end(self) -> float:
        """End the step and return the time."""
        took = self._now() - self._began
        self._free = self._start + took
        self.processing += took
        return self._free


@dataclass(frozen=True, slots=True)
class Live:
    """A session fed with a recording chunk by chunk, silence where there is no audio.

    Attributes
    ----------
    make_session
        Opens the session for a recording, on a given clock.
    chunk
        Seconds of audio per step.
    pair
        Direction.
    now
        Clock of the machine, in seconds.
    """

    make_session: Callable[[Recording, Now], Session]
    chunk: float
    pair: Pair
    now: Now

    def __call__(self, recording: Recording, record: Record) -> Hypothesis:
        """Translate; the ``wall_s`` of every commit is on the clock of the audio.

        Late chunks are not joined: what is said does not depend on the machine.
        """
        audio = chunks(_audio(recording), round(self.chunk * SAMPLE_RATE))
        timeline = MeasuredTimeline(audio, self.now)
        session = self.make_session(recording, timeline.clock)
        said, transcript = Delays(self.pair.target), []
        watch = Watch(self.pair.source) if recording.audio else None
        feeder = Feeder(session, self.chunk, longest=self.chunk, watch=watch)
        for event in run(feeder, timeline):
            if isinstance(event, Commit):
                said.add(event.text, event.audio_s, event.wall_s)
            elif isinstance(event, Close):
                transcript.append(event.source)
            record(event)
        processing = sum(end - start for _, start, end in timeline.log)
        return _hypothesis(recording, self.pair, said, processing, transcript)


@dataclass(frozen=True, slots=True)
class Offline:
    """The same model and prompt on whole segments of the true source: what quality is possible.

    Attributes
    ----------
    make_drafter
        Opens what continues prompts.
    prompt
        Builds them.
    pair
        Direction.
    now
        Clock of the machine, in seconds.
    """

    make_drafter: Callable[[], Drafter]
    prompt: PromptForm
    pair: Pair
    now: Now

    def __call__(self, recording: Recording, record: Record) -> Hypothesis:
        """Translate each segment when it has ended."""
        target = self.pair.target
        clock, said, segments = StreamClock(self.now), Delays(target), []
        drafter = self.make_drafter()
        for index, segment in enumerate(recording.segments):
            clock.begin(segment.end)
            text = self._translate(drafter, segment.source)
            wall = clock.end()
            segments.append(text)
            joint = target.separator if any(segments[:-1]) and text else ""
            said.add(joint + text, segment.end, wall)
            record(Commit(joint + text, index, segment.end, wall, -1))
        drafter.close()
        transcript = [segment.source for segment in recording.segments]
        return replace(
            _hypothesis(recording, self.pair, said, clock.processing, transcript),
            segments=tuple(target.separator.join(units(text, target)) for text in segments),
        )

    def _translate(self, drafter: Drafter, source: str) -> str:
        words = split_words(source, self.pair.source)
        if not words:
            return ""
        draft = drafter.draft(self.prompt(words, "", ()), 3 * len(words) + 24)
        return draft.within("", words, self.pair.target).text.strip()


def _hypothesis(
    recording: Recording, pair: Pair, said: Delays, processing: float, transcript: Sequence[str]
) -> Hypothesis:
    return Hypothesis(
        source=recording.name,
        source_length=1000 * recording.duration,
        prediction=pair.target.separator.join(said.units),
        delays=tuple(said.delays),
        elapsed=tuple(said.elapsed),
        processing=1000 * processing,
        transcript=pair.source.separator.join(transcript),
    )


def _audio(recording: Recording) -> Iterator[Samples]:
    """Yield the recording, or silence that ends just after its last segment."""
    if recording.audio is not None:
        yield from read(str(recording.audio))
        return
    seconds, rest = divmod(int(recording.duration * SAMPLE_RATE) + 1, SAMPLE_RATE)
    for size in [SAMPLE_RATE] * seconds + [rest]:
        yield np.zeros(size, np.float32)
