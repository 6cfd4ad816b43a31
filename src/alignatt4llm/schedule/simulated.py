"""Time that passes only as told: for tests, and to compare regimes."""

from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from itertools import count

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.schedule.timeline import Arrived, Call, Done, Ended, News, Told, Work


class SimulatedTimeline:
    """A timeline on which time passes only as told.

    Parameters
    ----------
    audio
        Pieces of audio; each arrives when its last sample has been heard.
    takes
        Seconds of each kind of work, one after the other; the last is repeated.
    stop
        Seconds at which the audio is stopped; by default it ends by itself.

    Attributes
    ----------
    now
        Seconds since the stream began; give it to the session as its clock.
    log
        Start and end of everything that was done.
    """

    def __init__(
        self,
        audio: Iterable[Samples],
        takes: Mapping[Work, float | Iterable[float]],
        stop: float | None = None,
    ) -> None:
        self.now = 0.0
        self.log: list[tuple[Work, float, float]] = []
        self._takes = {
            work: iter(given) if isinstance(given, Iterable) else iter([given])
            for work, given in takes.items()
        }
        self._last: dict[Work, float] = {}
        self._order = count()
        self._due: list[tuple[int, int, Callable[[], list[News]]]] = []  # microseconds
        samples = 0
        for piece in audio:
            samples += len(piece)
            self._at(samples / SAMPLE_RATE, lambda piece=piece: [Arrived(piece)])  # type: ignore[misc]
        self._at(samples / SAMPLE_RATE if stop is None else stop, lambda: [Ended()])

    def start(self, work: Work, call: Call) -> None:
        """Do the work when its time is over."""
        self._last[work] = next(self._takes.get(work, iter(())), self._last.get(work, 0.0))
        end = round(self.now + self._last[work], 6)
        self.log.append((work, self.now, end))
        self._at(end, lambda: [*map(Told, call()), Done(work)])

    def next(self) -> list[News]:
        """Move the clock to what happens next."""
        time = self._due[0][0]
        self.now = time / 1e6
        news: list[News] = []
        while self._due and self._due[0][0] == time:
            _, _, happens = heappop(self._due)
            news += happens()
        return news

    def _at(self, time: float, happens: Callable[[], list[News]]) -> None:
        heappush(self._due, (round(time * 1e6), next(self._order), happens))
