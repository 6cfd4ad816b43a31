"""A cluster of any size, simulated: measured times, admitted and placed as the real one does it."""

import random
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from alignatt4llm.cluster.ledger import Ledger
from alignatt4llm.cluster.simulation.costs import Costs, Feeds
from alignatt4llm.cluster.simulation.replicas import Call, Clock, Engine, Front
from alignatt4llm.cluster.simulation.shapes import Result, Shape, Use
from alignatt4llm.errors import UsageError
from alignatt4llm.serve.errors import Busy
from alignatt4llm.serve.places import check_free

TELLS = 1.0
"""Seconds between two times at which a session replica tells the ledger what it holds."""
AGAIN = 0.05
"""Seconds after which a draft is asked for again whose replica died, or was full."""


class Placing(Protocol):
    """A ring of engine replicas; see `ring.Ring`."""

    def ranked(self, stream: str) -> Sequence[str]:
        """Return the replica of a stream, and those that are asked where it is full."""
        ...


@dataclass(eq=False, slots=True)
class Session:
    """One speaker.

    Attributes
    ----------
    begin
        When the speaker begins; chunk ``i`` is there after ``i + 1`` times its length.
    offset
        Where in the replayed drafts it begins.
    life
        Counts the replicas that it has been at; what comes from earlier ones is not heard.
    done, taken
        Chunks translated, and those in the step that is being made.
    drafts, ends
        Of this step: those to come, last first, and when the others were there.
    died
        When its replica died, until it says something again.
    """

    name: str
    begin: float
    offset: int
    life: int = 0
    done: int = 0
    taken: int = 0
    front: Front | None = None
    drafts: list[Feeds] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    died: float | None = None
    ring: int = -1
    ranked: Sequence[str] = ()


Told = Callable[[Session, float], None]


class Simulation:
    """Sessions that speak, each for the same time.

    Parameters
    ----------
    shape, costs
        The cluster, and what takes how much time.
    begins
        When each session begins, in seconds.
    seconds
        How long each speaks.
    ring
        Places streams on engine replicas.
    deaths
        When machines die, and which.
    seed
        Of all that is left to chance.
    told
        Is told of every step that has been said, with its session and when its audio was there.
    """

    def __init__(
        self,
        shape: Shape,
        costs: Costs,
        begins: Sequence[float],
        seconds: float,
        ring: Callable[[Sequence[str]], Placing],
        deaths: Sequence[tuple[float, int]] = (),
        seed: int = 0,
        told: Told = lambda session, now: None,
    ) -> None:
        self._shape, self._costs, self._told = shape, costs, told
        self._seed, self._random = seed, random.Random(seed)
        self._clock = Clock()
        self._ledger, self._counting = Ledger(), 0.0
        self._chunks, self._joined = round(seconds / shape.chunk), int(shape.joined / shape.chunk)
        self._fronts = [
            [Front(f"front-{machine}-{each}") for each in range(shape.fronts)]
            for machine in range(shape.machines)
        ]
        self._engines = {
            self._engine(machine, each): Engine(self._clock, costs, shape.streams)
            for machine in range(shape.machines)
            for each in range(shape.engines)
        }
        self._alive = [front for machine in self._fronts for front in machine]
        self._make_ring, self._ring, self._rings = ring, ring([*self._engines]), 0
        self._lags, self._gaps = array("f"), array("f")
        self._open = len(begins)
        self._refused = self._resumed = self._at_once = self._most = 0
        self._translated = 0
        self._sessions = {
            f"s{number}": Session(f"s{number}", begin, self._random.randrange(len(costs.drafts)))
            for number, begin in enumerate(begins)
        }
        for session in self._sessions.values():
            self._clock.at(session.begin, self._start, session)
        for front in self._alive:
            self._clock.at(self._random.random() * TELLS, self._tell, front)
        if len({machine for _, machine in deaths}) >= shape.machines:
            raise UsageError(f"All {shape.machines} machines would die; let one live.")
        for when, machine in deaths:
            self._clock.at(when, self._die, machine)

    def run(self) -> Result:
        """Let everything happen."""
        self._clock.run()
        engines = list(self._engines.values())
        calls = sum(engine.calls for engine in engines)
        return Result(
            np.asarray(self._lags, np.float32),
            self._refused,
            self._most,
            self._resumed,
            np.asarray(self._gaps, np.float32),
            self._translated,
            {
                "recogniser": self._use([f.busy for fronts in self._fronts for f in fronts]),
                "engine": self._use([engine.busy for engine in engines]),
                "ledger": self._use([self._counting]),
            },
            sum(engine.missed for engine in engines) / calls if calls else 0.0,
        )

    def _use(self, seconds: Sequence[float]) -> Use:
        span = self._clock.now or 1.0
        return Use(sum(seconds) / len(seconds) / span, max(seconds) / span)

    # Who is admitted, and where

    def _later(self, pause: float, call: Callable[..., None], *arguments: object) -> None:
        self._clock.at(self._clock.now + pause, call, *arguments)

    def _start(self, session: Session) -> None:
        if self._admit(session, self._choose()):
            self._at_once += 1
            self._most = max(self._most, self._at_once)
            self._step(session, session.life)
        else:
            self._refused += 1
            self._open -= 1

    def _choose(self) -> Front:
        """Choose a session replica as Serve does: the less busy of two."""
        two = self._random.choice(self._alive), self._random.choice(self._alive)
        return min(two, key=lambda front: len(front.held))

    def _admit(self, session: Session, front: Front) -> bool:
        """Take a place for a session at a replica, if there is one."""
        front.held[session.name] = 1
        began, total = time.perf_counter(), self._shape.places
        free = self._ledger.take(front.name, front.held, 1, total, self._clock.now)
        self._counting += time.perf_counter() - began
        try:
            check_free(total, free, 1)
        except Busy:
            del front.held[session.name]
            return False
        session.front = front
        return True

    def _tell(self, front: Front) -> None:
        if not (front.alive and self._open):
            return
        began = time.perf_counter()
        self._ledger.tell(front.name, front.held, self._shape.places, self._clock.now)
        self._counting += time.perf_counter() - began
        self._later(TELLS, self._tell, front)

    # What a session does

    def _step(self, session: Session, life: int) -> None:
        """Hear what is there, joined if it is late, or wait for the next chunk."""
        if session.life != life:
            return
        now, chunk = self._clock.now - self._costs.way, self._shape.chunk
        there = min(self._chunks, int((now - session.begin) / chunk + 1e-6))
        if session.done == self._chunks:
            self._finish(session)
        elif there <= session.done:
            due = session.begin + (session.done + 1) * chunk + self._costs.way
            self._clock.at(due, self._step, session, life)
        else:
            session.taken = min(there - session.done, max(1, self._joined))
            first = session.offset + session.done
            session.drafts = self._costs.step(first, session.taken)[::-1]
            session.ends = []
            assert session.front
            heard = session.front.hear(self._clock.now, self._costs.recognise)
            self._clock.at(heard, self._go_on, session, life)

    def _go_on(self, session: Session, life: int) -> None:
        """Ask for the next draft, if there is one."""
        if session.life != life:
            return
        if not session.drafts:
            self._said(session)
            return
        feeds = session.drafts.pop()
        self._later(self._costs.call, self._ask, session, life, feeds)

    def _ask(self, session: Session, life: int, feeds: Feeds) -> None:
        """Give a draft to the replica of its stream, or the next ones, or to none for now."""
        if session.life != life:
            return
        if session.ring != self._rings:
            session.ring, session.ranked = self._rings, self._ring.ranked(self._lane(session))

        def again() -> None:
            self._later(AGAIN, self._ask, session, life, feeds)

        engines = (self._engines[name] for name in session.ranked)
        if engine := next((each for each in engines if not each.full), None):
            engine.take(
                Call(self._lane(session), feeds, lambda: self._answered(session, life), again)
            )
        else:
            again()

    def _engine(self, machine: int, each: int) -> str:
        """Name an engine replica, as the ring knows it; in the real cluster at random, too."""
        return f"engine-{machine}-{each}.{self._seed}"

    def _lane(self, session: Session) -> str:
        """Name the stream of a session; in the real cluster such names are random."""
        return f"{session.name}.{session.life}.{self._seed}"

    def _answered(self, session: Session, life: int) -> None:
        if session.life != life:
            return
        session.ends.append(self._clock.now)
        self._go_on(session, life)

    def _said(self, session: Session) -> None:
        """Note how late what was said is for each chunk of the step."""
        way, chunk = self._costs.way, self._shape.chunk
        for number in range(session.done + 1, session.done + session.taken + 1):
            there = session.begin + number * chunk
            self._lags.extend(end + way - there for end in session.ends)
        if session.died is not None and session.ends:
            self._gaps.append(session.ends[0] + way - session.died)
            session.died = None
        self._told(session, self._clock.now)
        self._translated += session.taken
        session.done += session.taken
        self._step(session, session.life)

    def _finish(self, session: Session) -> None:
        assert session.front
        del session.front.held[session.name]
        for name in session.ranked:
            self._engines[name].close(self._lane(session))
        self._open -= 1
        self._at_once -= 1

    # What happens when a machine dies

    def _die(self, machine: int) -> None:
        """Lose a machine, its sessions and the drafts that it makes."""
        fronts, engines = self._fronts[machine], self._engines
        self._alive = [front for front in self._alive if front not in fronts]
        lost = [
            call
            for each in range(self._shape.engines)
            for call in engines[self._engine(machine, each)].die()
        ]
        left = [name for name, engine in engines.items() if engine.alive]
        self._ring, self._rings = self._make_ring(left), self._rings + 1
        for call in lost:
            call.lost()
        for front in fronts:
            front.alive = False
            for name in front.held:
                self._part(self._sessions[name])

    def _part(self, session: Session) -> None:
        """Have the client of a session see that it is cut off; it comes back after a while."""
        session.life += 1
        session.front, session.died = None, self._clock.now
        pause = self._shape.backoff * (0.5 + self._random.random())
        self._later(pause, self._resume, session)

    def _resume(self, session: Session) -> None:
        """Go on at another replica, or come back later if there is no place."""
        if self._admit(session, self._choose()):
            self._resumed += 1
            self._step(session, session.life)
        else:
            self._later(self._shape.backoff, self._resume, session)
