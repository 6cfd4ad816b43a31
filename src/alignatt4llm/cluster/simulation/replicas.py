"""Replicas that take their simulated time."""

from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

from alignatt4llm.cluster.simulation.costs import Costs, Feeds
from alignatt4llm.translators.stepper import MOST_TOKENS


class Clock:
    """Does what is due, in order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._count = count()
        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []

    def at(self, time: float, call: Callable[..., None], *arguments: Any) -> None:
        """Have something done at a time."""
        heappush(self._due, (time, next(self._count), call, arguments))

    def run(self) -> None:
        """Do everything."""
        while self._due:
            self.now, _, call, arguments = heappop(self._due)
            call(*arguments)


@dataclass(eq=False, slots=True)
class Call:
    """A draft on its way.

    Attributes
    ----------
    lane
        The stream, as engine replicas know it.
    feeds
        What it feeds in its passes.
    answer, lost
        One is called: when it is there, or if it never comes.
    """

    lane: Hashable
    feeds: Feeds
    answer: Callable[[], None]
    lost: Callable[[], None]
    unread: int = 0
    passes: int = 0

    @property
    def tokens(self) -> int:
        """What it feeds next."""
        return self.feeds[self.passes] + (0 if self.passes else self.unread)

    def tokens_of(self, ahead: int) -> int:
        """Return what it feeds so many passes after the next."""
        return self.feeds[self.passes + ahead]


@dataclass(eq=False, slots=True)
class Front:
    """A session replica.

    Attributes
    ----------
    name
        As the ledger knows it.
    held
        Its sessions, with the places that each takes.
    busy
        Seconds that its recogniser has worked.
    """

    name: str
    alive: bool = True
    held: dict[str, int] = field(default_factory=dict)
    busy: float = 0.0
    _free: float = 0.0

    def hear(self, now: float, seconds: float) -> float:
        """Recognise as soon as what came before is recognised; return when it is done."""
        self._free = max(now, self._free) + seconds
        self.busy += seconds
        return self._free


class Engine:
    """An engine replica: threads that draft, whose passes go together as in `Stepper`.

    Parameters
    ----------
    clock, costs
        The time, and what takes how much of it.
    streams
        Drafts at once, and streams of which something is kept in between; see `Kept`.

    Attributes
    ----------
    alive
        Whether it answers.
    busy
        Seconds in passes.
    missed, calls
        Drafts for which the prompt was read anew, and all drafts.
    """

    def __init__(self, clock: Clock, costs: Costs, streams: int) -> None:
        self.alive, self.busy, self.missed, self.calls = True, 0.0, 0, 0
        self._clock, self._costs, self._streams = clock, costs, streams
        self._kept: OrderedDict[Hashable, None] = OrderedDict()
        self._queue: deque[Call] = deque()
        self._ready: deque[Call] = deque()
        self._batch: list[Call] = []
        self._drafting = self._run = 0
        self._began, self._ends = 0.0, list[float]()

    @property
    def full(self) -> bool:
        """Whether it takes no call now; Serve then asks the next one."""
        return self._drafting + len(self._queue) >= 2 * self._streams

    def take(self, call: Call) -> None:
        """Begin a draft, or let it wait for a thread."""
        self.calls += 1
        self._queue.append(call)
        self._go_on()

    def die(self) -> list[Call]:
        """Return what was asked for and never comes."""
        self.alive = False
        return [*self._batch, *self._ready, *self._queue]

    def close(self, lane: Hashable) -> None:
        """Forget a stream."""
        self._kept.pop(lane, None)

    def _go_on(self) -> None:
        while self._queue and self._drafting < self._streams:
            self._begin(self._queue.popleft())
        if self._ready and not self._batch:
            self._pass()
        elif self._ready:
            self._join()

    def _begin(self, call: Call) -> None:
        self._drafting += 1
        call.unread = 0
        if call.lane in self._kept:
            del self._kept[call.lane]
        else:
            self.missed += 1
            call.unread = self._costs.prompt
        self._ready.append(call)

    def _pass(self) -> None:
        """Feed what waits, longest first; as many passes at once as nobody would leave or join."""
        tokens = 0
        while self._ready and tokens < MOST_TOKENS:
            call = self._ready.popleft()
            tokens += call.tokens
            self._batch.append(call)
        self._began = end = self._clock.now
        self._ends = []
        for ahead in range(self._rounds()):
            tokens = sum(call.tokens_of(ahead) for call in self._batch) if ahead else tokens
            end += self._costs.seconds(tokens)
            self._ends.append(end)
        self._wait()

    def _rounds(self) -> int:
        """Return how many passes these drafts make together, unless others come."""
        return 1 if self._ready else min(len(call.feeds) - call.passes for call in self._batch)

    def _join(self) -> None:
        """Let others join after the pass that runs now."""
        runs = bisect_left(self._ends, self._clock.now) + 1
        if runs < len(self._ends):
            del self._ends[runs:]
            self._wait()

    def _wait(self) -> None:
        self._run += 1
        self._clock.at(self._ends[-1], self._passed, self._run)

    def _passed(self, run: int) -> None:
        if not self.alive or run != self._run:
            return
        batch, self._batch = self._batch, []
        self.busy += self._ends[-1] - self._began
        for call in batch:
            call.passes += len(self._ends)
            if call.passes < len(call.feeds):
                self._ready.append(call)
            else:
                self._keep(call.lane)
                call.answer()
        self._go_on()

    def _keep(self, lane: Hashable) -> None:
        self._drafting -= 1
        self._kept[lane] = None
        if len(self._kept) > self._streams:
            self._kept.popitem(last=False)
