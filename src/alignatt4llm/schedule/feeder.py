"""How a session is fed: who may run when, how audio becomes chunks, and how a stream ends.

Files, microphones, servers, uploads and evaluation all run here; they bring audio and take events.
The feeder knows two workers, recogniser and translator, each of which does one thing at a time; a
timeline says when work is done and when audio arrives. Given no time to wait for, every regime does
the same steps and commits the same text.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import End, Event
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
from alignatt4llm.schedule.told import Told
from alignatt4llm.schedule.watch import Watch
from alignatt4llm.transcript import Heard

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


class Says(Protocol):
    """What says in one language what was heard."""

    @property
    def stays(self) -> bool:
        """Whether it goes on; if not, it is finished once it has said what it was given."""
        ...

    def translate(self, heard: Sequence[Heard]) -> Iterator[Event]:
        """Take in what was heard, in order, and yield what follows from all of it."""
        ...

    def finish(self) -> Iterator[Event]:
        """Say everything that is pending, and that there is no more."""
        ...


class Fed(Protocol):
    """What hears audio, and says what follows from it in some languages: a stream, a session."""

    @property
    def targets(self) -> Mapping[str, Says]:
        """The languages, by their codes; others may come while it runs."""
        ...

    def listen(self, samples: Samples) -> Heard:
        """Recognise the next chunk; it may run while other threads are in `translate`."""
        ...


@dataclass(eq=False, slots=True)
class _Line:
    """One target: what it has still to translate, and what it does now."""

    says: Says
    heard: list[Heard] = field(default_factory=list)
    works: bool = False
    over: bool = False
    failed: bool = False

    @property
    def behind(self) -> bool:
        """Whether it has not yet said what follows from all that it was given."""
        return self.works or bool(self.heard)

    def take(self, most: int) -> list[Heard]:
        """Return what it should see now: the newest source, but not too much at once."""
        lengths = accumulate(one.samples for one in self.heard)
        count = max(1, sum(length <= most for length in lengths))
        taken, self.heard = self.heard[:count], self.heard[count:]
        return taken


class Feeder:
    """What waits for whom in one stream.

    Whoever is late takes everything that has come in meanwhile: audio is joined, and a translator
    sees the newest source only. No target waits for another: in turn, the recogniser goes on as
    soon as one of them has said what follows from all that was heard. Where nothing is joined, so
    that nobody is late, it waits for all of them.

    Parameters
    ----------
    session
        What listens, and its targets.
    chunk
        Seconds of audio per step, where the regime has a cadence.
    regime
        Who may run when.
    longest
        Seconds of late audio joined into one step at most; with ``chunk``, none is joined, and
        what every target sees is independent of time.
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
        self._lines: list[tuple[str, _Line]] = []
        self._hears = self._ended = self._failed = False
        self._problem: BaseException | None = None
        self._told = Told()
        self._follow()

    @property
    def hungry(self) -> bool:
        """Whether audio would be heard at once, so that it is time to take some."""
        return not (self._hears or self._ended or self._failed or self._waits())

    def begin(self, timeline: Timeline) -> None:
        """Begin all the work that may begin now."""
        self._follow()
        session = self._session
        if not self._failed and (audio := self._audio_due()) is not None:
            self._hears = True
            timeline.start(Work.RECOGNISE, lambda: [session.listen(audio)])
        for to, line in self._lines:
            self._go_on(timeline, to, line)
        working = self._hears or any(line.works for _, line in self._lines)
        self.over = not working and (self._ended or self._failed)
        if self.over and self._problem:
            raise self._problem

    def _follow(self) -> None:
        """See which targets have come, also while the end is said, and forget those that left."""
        targets = self._session.targets
        self._lines = [
            (to, line) for to, line in self._lines if not line.over or targets.get(to) is line.says
        ]
        known = dict(self._lines)
        self._lines += [(to, _Line(says)) for to, says in targets.items() if to not in known]

    def _go_on(self, timeline: Timeline, to: str, line: _Line) -> None:
        """Let a target do what it can do now."""
        if line.works or line.failed or line.over:
            return
        if heard := line.take(self._most):
            timeline.start(Work.TRANSLATE, lambda: line.says.translate(heard), to)
        elif not self._failed and self._is_last(line):
            timeline.start(Work.FINISH, line.says.finish, to)
        else:
            return
        line.works = True

    def _is_last(self, line: _Line) -> bool:
        """Whether a target that has nothing to do will never have."""
        heard_all = self._ended and not self._hears and not any(map(len, self._audio))
        return not line.says.stays or (heard_all and self._finishes())

    def take(self, news: Iterable[News]) -> Iterator[Event]:
        """Take in what happened and yield the events of it."""
        for item in news:
            if self._watch and not self._is_dropped(item):
                yield from self._watch.take(item)
            match item:
                case Arrived(None):
                    self._ended = True
                case Arrived(samples) if samples is not None and not self._ended:
                    self._audio.append(samples)
                case Broken(problem):
                    self._ended, self._problem = True, problem
                case Came(Work.RECOGNISE, heard):
                    for _, line in self._lines:
                        if line.says.stays:
                            line.heard.append(heard)
                case Came(_, event) if self._told.is_news(event, (to for to, _ in self._lines)):
                    yield event
                case Failed(work, problem, to):
                    self._ends(work, to, failed=True)
                    self._problem = self._problem or problem
                case Done(work, to):
                    self._ends(work, to)

    def _ends(self, work: Work, to: str, failed: bool = False) -> None:
        """Note that work is done, or has failed."""
        self._failed |= failed
        if work is Work.RECOGNISE:
            self._hears = False
            return
        line = next(line for name, line in self._lines if name == to and line.works)
        line.works, line.failed = False, failed
        line.over = work is Work.FINISH

    def _is_dropped(self, item: News) -> bool:
        """Whether this is the end of a target, and not of the stream."""
        return isinstance(item, Came) and isinstance(item.item, End) and not self._ended

    def _waits(self) -> bool:
        """Whether the recogniser waits for the targets."""
        behind = [line.behind for _, line in self._lines if line.says.stays]
        enough = any if self._most == self._chunk else all  # none is late where none is joined
        return not self._regime.overlaps and bool(behind) and enough(behind)

    def _audio_due(self) -> Samples | None:
        """Take the audio that the recogniser should hear now, if it should."""
        waiting = sum(map(len, self._audio))
        whole = min(waiting // self._chunk * self._chunk, self._most)
        if not whole and self._ended and self._finishes():
            whole = waiting
        if self._hears or self._waits() or not whole:
            return None
        samples = np.concatenate(self._audio)
        self._audio = [samples[whole:]]
        return samples[:whole]


def run(feeder: Feeder, timeline: Timeline) -> Iterator[Event]:
    """Translate a stream to its end and yield its events.

    However the audio ends, all that has arrived is recognised, translated and said first; an error
    of its source is raised after that, an error in the work when nothing runs any more and all that
    came of it has been said.
    """
    feeder.begin(timeline)
    while not feeder.over:
        yield from feeder.take(timeline.next(feeder.hungry))
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
