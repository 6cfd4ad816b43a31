"""How a session is fed: who may run when, how audio becomes chunks, and how a stream ends.

Files, microphones, servers, uploads and evaluation all run here; they bring audio and take events.
The feeder knows two workers, recogniser and translator, each of which does one thing at a time; a
timeline says when work is done and when audio arrives. Given no time to wait for, every regime does
the same steps and commits the same text.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import Event
from alignatt4llm.schedule.timelines import (
    Arrived,
    Broken,
    Came,
    Done,
    Failed,
    Inline,
    News,
    Timeline,
    Work,
)
from alignatt4llm.schedule.watch import Watch
from alignatt4llm.session import Heard

LONGEST = 30.0
"""Seconds of late audio joined into one step at most; recognisers look at no more at a time."""


@dataclass(frozen=True, slots=True)
class Regime:
    """Who may run when.

    Attributes
    ----------
    overlaps
        Whether the recogniser may run while the translator does.
    cadence
        Whether the recogniser waits for a whole chunk of audio; else it takes whatever is there.
    """

    overlaps: bool
    cadence: bool


ALTERNATING = Regime(overlaps=False, cadence=True)
"""Recogniser and translator strictly in turn."""

AS_PUSHED = Regime(overlaps=False, cadence=False)
"""In turn, on whatever is brought at a time: its chunks are those of whoever brings it."""

REGIMES = {
    "alternating": ALTERNATING,
    "overlapping": Regime(overlaps=True, cadence=True),
    "asynchronous": Regime(overlaps=True, cadence=False),
}
"""Recogniser and translator strictly in turn; the recogniser at a fixed pace while the translator
works on what came before; both as fast as they can, always on the newest audio and source."""


class Fed(Protocol):
    """What hears audio and says what follows from it: a session, with a translator or without."""

    def listen(self, samples: Samples) -> Heard:
        """Recognise the next chunk; it may run while another thread is in `translate`."""
        ...

    def translate(self, heard: Sequence[Heard]) -> Iterator[Event]:
        """Take in what was heard, in order, and yield what follows from all of it."""
        ...

    def finish(self) -> Iterator[Event]:
        """Say that the stream has ended, and everything that is pending."""
        ...


class Feeder:
    """What waits for whom in one stream.

    Whoever is late takes everything that has come in meanwhile: audio is joined, and the
    translator sees the newest source only.

    Parameters
    ----------
    session
        What listens and translates.
    chunk
        Seconds of audio per step, where the regime has a cadence.
    regime
        Who may run when.
    longest
        Seconds of late audio joined into one step at most; with ``chunk``, none is joined.
    finishes
        Asked once the audio has ended: whether the stream ends with it. Otherwise what makes whole
        chunks is translated, and the stream may be continued elsewhere.
    watch
        Notices what one should know about the sound; leave it out where silence only stands for
        the time of known words.

    Attributes
    ----------
    over
        Whether all is done.
    """

    def __init__(
        self,
        session: Fed,
        chunk: float,
        regime: Regime = ALTERNATING,
        longest: float = LONGEST,
        finishes: Callable[[], bool] = lambda: True,
        watch: Watch | None = None,
    ) -> None:
        self.over = False
        self._watch = watch
        self._session, self._regime, self._finishes = session, regime, finishes
        self._chunk = round(chunk * SAMPLE_RATE) if regime.cadence else 1
        self._most = max(1, round(longest * SAMPLE_RATE) // self._chunk) * self._chunk
        self._audio: list[Samples] = []
        self._heard: list[Heard] = []
        self._running: set[Work] = set()
        self._ended = False
        self._failed: set[Work] = set()
        self._problem: BaseException | None = None

    def begin(self, timeline: Timeline) -> None:
        """Begin all the work that may begin now."""
        if self._failed:
            self._say_what_was_heard(timeline)
        else:
            self._begin(timeline)
        if self.over and self._problem:
            raise self._problem

    def _begin(self, timeline: Timeline) -> None:
        session = self._session
        if (audio := self._audio_due()) is not None:
            self._start(timeline, Work.RECOGNISE, lambda: [session.listen(audio)])
        if heard := self._source_due():
            self._start(timeline, Work.TRANSLATE, lambda: session.translate(heard))
        if self._ended and not (self._running or self.over):
            self.over = not self._finishes()
            if not self.over:
                self._start(timeline, Work.FINISH, session.finish)

    def _say_what_was_heard(self, timeline: Timeline) -> None:
        """After a failure nothing is begun but to translate what the recogniser heard before."""
        if self._failed == {Work.RECOGNISE} and (heard := self._source_due()):
            self._start(timeline, Work.TRANSLATE, lambda: self._session.translate(heard))
        self.over = not self._running

    def take(self, news: Iterable[News]) -> Iterator[Event]:
        """Take in what happened and yield the events of it."""
        for item in news:
            if self._watch:
                yield from self._watch.take(item)
            match item:
                case Arrived(None):
                    self._ended = True
                case Arrived(samples) if samples is not None and not self._ended:
                    self._audio.append(samples)
                case Broken(problem):
                    self._ended, self._problem = True, problem
                case Came(Work.RECOGNISE, heard):
                    self._heard.append(heard)
                case Came(_, event):
                    yield event
                case Failed(work, problem):
                    self._running.discard(work)
                    self._failed.add(work)
                    self._problem = self._problem or problem
                case Done(work):
                    self._running.discard(work)
                    self.over = self.over or work is Work.FINISH

    def _start(self, timeline: Timeline, work: Work, call: Callable[[], Iterable[object]]) -> None:
        self._running.add(work)
        timeline.start(work, call)

    def _audio_due(self) -> Samples | None:
        """Take the audio that the recogniser should hear now, if it should."""
        busy = Work.RECOGNISE in self._running
        waits = not self._regime.overlaps and (self._heard or Work.TRANSLATE in self._running)
        waiting = sum(map(len, self._audio))
        whole = min(waiting // self._chunk * self._chunk, self._most)
        if not whole and self._ended and self._finishes():
            whole = waiting
        if busy or waits or not whole:
            return None
        samples = np.concatenate(self._audio)
        self._audio = [samples[whole:]]
        return samples[:whole]

    def _source_due(self) -> list[Heard]:
        """Take what the translator should see now, if it should see anything."""
        if Work.TRANSLATE in self._running:
            return []
        heard, self._heard = self._heard, []
        return heard


def run(feeder: Feeder, timeline: Timeline) -> Iterator[Event]:
    """Translate a stream to its end and yield its events.

    However the audio ends, all that has arrived is recognised, translated and said first; an error
    of its source is raised after that, an error in the work when nothing runs any more and all that
    came of it has been said.
    """
    feeder.begin(timeline)
    while not feeder.over:
        yield from feeder.take(timeline.next())
        feeder.begin(timeline)


class Pushed:
    """A session for whoever brings the audio chunk by chunk and takes the events of each.

    Parameters
    ----------
    feeder
        Of the session, with a regime in which nothing overlaps.
    """

    def __init__(self, feeder: Feeder) -> None:
        self._feeder = feeder
        self._timeline = Inline()

    def feed(self, samples: Samples) -> Iterator[Event]:
        """Take audio and yield what follows from it."""
        return self._take(Arrived(samples))

    def finish(self) -> Iterator[Event]:
        """Say that the audio has ended and yield the rest."""
        return self._take(Arrived(None))

    def _take(self, arrived: Arrived) -> Iterator[Event]:
        yield from self._feeder.take([arrived])
        self._feeder.begin(self._timeline)
        while self._timeline.busy:
            yield from self._feeder.take(self._timeline.next())
            self._feeder.begin(self._timeline)
