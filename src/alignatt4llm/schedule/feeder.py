"""One loop that feeds every session: when the recogniser and the translator run, and on what.

It knows two workers, each of which does one thing at a time; a `Timeline` says when work is done
and when audio arrives. Given no time to wait for, every regime does the same steps and commits the
same text. A stream has one end, whatever brings it about: the audio is over, somebody stops it, or
it breaks off. Nothing more is taken in then, and all that was heard is said.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import Event
from alignatt4llm.schedule.timeline import (
    Arrived,
    Call,
    Done,
    Ended,
    Failed,
    News,
    Streamed,
    Timeline,
    Told,
    Work,
)
from alignatt4llm.session import Heard

JOINED = 6.0
"""Seconds of late audio joined into one chunk at most."""


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


IN_TURN = Regime(overlaps=False, cadence=True)

PUSHED = Regime(overlaps=False, cadence=False)
"""In turn, in the chunks in which the audio comes."""

REGIMES = {
    "alternating": IN_TURN,
    "overlapping": Regime(overlaps=True, cadence=True),
    "asynchronous": Regime(overlaps=True, cadence=False),
}
"""Recogniser and translator strictly in turn; the recogniser at a fixed pace while the translator
works on what came before; both as fast as they can, always on the newest audio and source."""


def run(
    session: Streamed,
    timeline: Timeline,
    regime: Regime,
    chunk: float,
    joined: float = JOINED,
    finishing: Callable[[], bool] = lambda: True,
) -> Iterator[Event]:
    """Translate a stream to its end and yield its events; see `Feeder`."""
    return Feeder(session, timeline, regime, chunk, joined, finishing).events()


class Feeder:
    """Feeds a session with what a timeline brings.

    Whoever is late takes everything that has come in meanwhile: audio is joined, and the
    translator sees the newest source only.

    Parameters
    ----------
    session
        What listens and translates.
    timeline
        Brings the audio and runs the work.
    regime
        Who may run when.
    chunk
        Seconds of audio per step, where the regime has a cadence.
    joined
        Seconds of late audio joined at most; 0 where nothing is late, as when a recording is
        translated faster than it plays.
    finishing
        Asked at the end, when all whole chunks are translated: whether the stream is finished.
        Else it stays open, to be continued by another session.
    """

    def __init__(
        self,
        session: Streamed,
        timeline: Timeline,
        regime: Regime,
        chunk: float,
        joined: float = JOINED,
        finishing: Callable[[], bool] = lambda: True,
    ) -> None:
        self._session = session
        self._timeline = timeline
        self._overlaps = regime.overlaps
        self._chunk = round(chunk * SAMPLE_RATE) if regime.cadence else 1
        self._most = max(self._chunk, round(joined * SAMPLE_RATE) // self._chunk * self._chunk)
        self._finishing = finishing
        self._audio: list[Samples] = []
        self._heard: list[Heard] = []
        self._running: set[Work] = set()
        self._ended = self._over = False
        self._problem: BaseException | None = None
        self._failed = False

    def events(self) -> Iterator[Event]:
        """Yield what is said until the stream is over, or the timeline waits to be told more.

        An error of the source is raised when everything heard before it has been said; an error
        of the work when nothing runs any more.
        """
        while not self._over:
            self._begin()
            if self._over:
                break
            news = self._timeline.next()
            if not news:
                return
            for item in news:
                yield from self._take(item)
        if self._problem:
            raise self._problem

    def _begin(self) -> None:
        """Begin all that can be done now."""
        if self._failed:
            self._over = not self._running
            return
        if audio := self._audio_due():
            self._start(Work.RECOGNISE, lambda: iter([self._session.listen(audio[0])]))
        if heard := self._source_due():
            self._start(Work.TRANSLATE, lambda: self._session.translate(heard))
        if self._ended and not self._running and not self._over:
            if self._finishing():
                self._start(Work.FINISH, self._session.finish)
            else:
                self._over = True

    def _start(self, work: Work, call: Call) -> None:
        self._running.add(work)
        self._timeline.start(work, call)

    def _audio_due(self) -> list[Samples]:
        """Take the audio that the recogniser should hear now, if it should."""
        busy = Work.RECOGNISE in self._running
        waits = not self._overlaps and (self._heard or Work.TRANSLATE in self._running)
        waiting = sum(map(len, self._audio))
        whole = waiting if self._ended and self._finishing() else waiting // self._chunk * self._chunk
        if busy or waits or not whole:
            return []
        samples, count = np.concatenate(self._audio), min(whole, self._most)
        self._audio = [samples[count:]]
        return [samples[:count]]

    def _source_due(self) -> Sequence[Heard]:
        """Take what the translator should see now, if it should see anything."""
        if Work.TRANSLATE in self._running:
            return []
        heard, self._heard = self._heard, []
        return heard

    def _take(self, news: News) -> Iterator[Event]:
        """Take in what happened and yield the event of it, if it is one."""
        match news:
            case Arrived(samples) if not self._ended:
                self._audio.append(samples)
            case Ended(problem) if not self._ended:
                self._ended, self._problem = True, problem
            case Told(Heard() as heard):
                self._heard.append(heard)
            case Told(result):
                yield result
            case Done(work):
                self._running.discard(work)
                self._over = work is Work.FINISH
            case Failed(work, problem):
                self._running.discard(work)
                self._failed, self._problem = True, self._problem or problem
