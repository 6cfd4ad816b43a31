"""All sessions of a server: who may have one, who is waited for, what is on disk."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from alignatt4llm.events import Notice
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.captioning import Captioning
from alignatt4llm.serve.directions import Directions
from alignatt4llm.serve.errors import (
    Draining,
    EngineStuck,
    Farewell,
    Idle,
    Refused,
    Unkept,
    Unsupported,
)
from alignatt4llm.serve.journals.shelf import Shelf
from alignatt4llm.serve.journals.stores import store_at
from alignatt4llm.serve.keeping import keep
from alignatt4llm.serve.keys import digest
from alignatt4llm.serve.lifecycle import State
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.messages import (
    Add,
    Defaults,
    Drop,
    Resume,
    Start,
    language_of,
    pairs_of,
)
from alignatt4llm.serve.metrics import Metrics
from alignatt4llm.serve.pasts import Pasts
from alignatt4llm.serve.places import Alone, Places, Sharing
from alignatt4llm.serve.readings import Readings
from alignatt4llm.serve.resuming import Ended, check_wish, start_of
from alignatt4llm.serve.sessions import LiveSession
from alignatt4llm.serve.steps import Steps
from alignatt4llm.settings.fitting import as_known, crowded
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair

_CLEANING = 3600.0

log = logging.getLogger(__name__)


class Registry:
    """Opens sessions while there are places, and finds them again.

    Everything here runs in the event loop; where it waits, others go on.

    Parameters
    ----------
    interpreter
        Opens sessions; it calibrates no head set from now on.
    limits
        How many, how long.
    transcripts
        Where journals are kept: a folder, or the address of a Redis database.
    metrics
        Counts.
    defaults
        The languages that are meant where a client names none.
    captioning
        Where captions go.
    sharing
        The servers that share its places.

    Attributes
    ----------
    directions
        What can be translated.
    draining
        Whether the server is being stopped.
    stuck
        Set once an engine does not come back: the process must then end.
    steps
        What is inside an engine.
    places
        How many are taken.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        limits: Limits,
        transcripts: Path | str,
        metrics: Metrics,
        defaults: Defaults = Defaults(),
        captioning: Captioning | None = None,
        sharing: Sharing = Alone(),
    ) -> None:
        interpreter.refuse_calibration()  # it would block every session for minutes
        self.interpreter = interpreter
        self.directions = Directions(interpreter)
        self.limits = limits
        self.metrics = metrics
        self.defaults = defaults
        self.draining = False
        self.stuck = asyncio.Event()
        self.steps = Steps()
        self._captioning = captioning or Captioning()
        self._shelf = Shelf(store_at(transcripts, limits.keep))
        self._sessions: dict[str, LiveSession] = {}
        self._readings = Readings(self._shelf, self.is_running)
        self.places = Places(limits.sessions, sharing, self._taking)
        self._cleaned = -_CLEANING

    @property
    def taken(self) -> int:
        """Places that are taken here: by each language of each session, and by other work."""
        return self.places.taken

    @property
    def closing(self) -> bool:
        """Whether nobody is admitted any more."""
        return self.draining or self.stuck.is_set()

    def admit(self, places: int = 1) -> None:
        """Raise Busy, Draining or EngineStuck when there are not so many places any more."""
        if self.stuck.is_set():
            raise EngineStuck("The engine does not come back; connect again in a moment.")
        if self.draining:
            raise Draining("The server is being stopped; connect again in a moment.")
        self.places.check(places)

    @asynccontextmanager
    async def place(self, places: int = 1, session: str = "") -> AsyncIterator[None]:
        """Take places for work that is no session here, or for one that is opened in the block.

        Raises
        ------
        Busy, Draining, EngineStuck
            If there are not so many.
        """
        self.admit(places)
        async with self.places.take(places, session):
            yield

    async def start(self, wish: Start) -> tuple[LiveSession, str]:
        """Open a session and return it with its key."""
        for pair in wish.pairs:
            self.directions.require_heard(pair)
        session, key = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        header: dict[str, Any] = {
            "version": wish.version,
            "session": session,
            "key_sha256": digest(key),
            "pair": str(wish.pairs[0]),
            "from": wish.pairs[0].source.code,
            "to": [pair.target.code for pair in wish.pairs],
            "latency": wish.latency,
            "audio": wish.audio,
            "began": round(time.time(), 3),
        }
        async with self.place(len(wish.pairs), session):
            broadcast = Broadcast(await self._shelf.create(header))
            for sentence in wish.told:
                broadcast.publish(Notice("nearest", sentence))
            opened = self._open(broadcast, Pasts(header["to"]), 0)
        self._weigh(opened)
        return opened, key

    async def add(self, session: LiveSession, wish: Add) -> None:
        """Let a session be translated into another language.

        Raises
        ------
        Refused
            If that cannot be; the session goes on.
        """
        told: list[str] = []
        try:
            [pair] = pairs_of(session.header["from"], [wish.to], told.append)
            self.directions.require(pair)
            async with self.place():
                session.add(pair, wish.from_start)
        except Farewell as problem:
            raise Refused(str(problem)) from problem
        except ValueError as problem:
            raise Refused("Name one language in 'to'.") from problem
        self._weigh(session)
        for sentence in told:
            session.broadcast.publish(Notice("nearest", sentence))

    def _weigh(self, session: LiveSession) -> None:
        """Tell a session of several languages if all that are said here are too many."""
        if len(session.codes) < 2:
            return
        chunk = LATENCIES[session.header["latency"]].chunk
        if said := crowded(self.interpreter.system, self.taken, chunk, as_known):
            session.broadcast.publish(Notice("crowded", said))

    def drop(self, session: LiveSession, wish: Drop) -> None:
        """End a language of a session; raise Refused if that cannot be."""
        try:
            target = language_of(wish.to)
        except Unsupported as problem:
            raise Refused(str(problem)) from problem
        session.drop(target.code)

    async def resume(self, wish: Resume, check: Callable[[], None]) -> LiveSession | Ended:
        """Find a session again: running, or continued from disk, or only to be read.

        Whatever is refused leaves everything as it was; so does a client that has left, of which
        ``check`` raises that.

        Raises
        ------
        UnknownSession
            If there is none under this name and key.
        TooLong
            If no session may be as long as the position says.
        Busy, Draining, EngineStuck, Unsupported
            If it cannot be continued from disk now.
        """
        running = self._running(wish.session)
        header = running.header if running else await self._shelf.header(wish.session)
        check_wish(header, wish, self.limits)
        if found := await self._ours(wish.session):
            return found
        async with self._shelf.turn:
            if found := await self._ours(wish.session):  # somebody else has just resumed it
                return found
            return await self._take_over(wish, check)

    async def broadcast(self, session: str) -> Broadcast:
        """Return what a session says or has said, for reading only."""
        return await self._readings.get(session)

    async def check(self, session: str) -> None:
        """Raise UnknownSession if there is none under this name."""
        await self._readings.check(session)

    def is_current(self, broadcast: Broadcast) -> bool:
        """Whether a broadcast is still the one of its session, running or not."""
        return self._readings.is_current(broadcast)

    def is_running(self, broadcast: Broadcast) -> bool:
        """Whether more can come from a broadcast; a session resumed from disk has a new one."""
        return any(session.broadcast is broadcast for session in self._sessions.values())

    @contextmanager
    def attached(self, session: LiveSession, client: object) -> Iterator[None]:
        """Let a client feed a session; afterwards the session waits for it."""
        session.life.come(client)
        session.broadcast.wake()
        try:
            yield
        finally:
            session.life.go(client)

    async def watch(self) -> None:
        """Look after the sessions, and follow those of other servers, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for work in (self._look_after(), keep(self._sessions.values), self._readings.follow()):
                group.create_task(work)

    async def _look_after(self) -> None:
        limits = self.limits
        while True:
            try:
                self.look_after()
                await self.places.tell()
                await self.tidy(time.monotonic())
            except Exception:
                log.exception("looking after sessions failed")
            await asyncio.sleep(min(1.0, limits.step / 4, limits.resume / 4, limits.idle / 4))

    def look_after(self) -> None:
        """End what is too long, or waited for too long; give up when an engine is stuck."""
        if self.steps.longest() > self.limits.step:
            self.give_up()
        for session in list(self._sessions.values()):
            session.check_length()
            if session.life.overdue(self.limits):
                session.leave(self._farewell(session))
        states = [session.life.state for session in self._sessions.values()]
        self.metrics.sessions.labels("gone").set(states.count(State.WAITING))
        self.metrics.sessions.labels("connected").set(states.count(State.ATTACHED))

    async def tidy(self, now: float) -> None:
        """Delete old transcripts, and captions that were not delivered, once in a while."""
        if now - self._cleaned > _CLEANING:
            self._cleaned = now
            await self._shelf.tidy()
            await asyncio.to_thread(self._captioning.tidy, self.limits.keep)

    def give_up(self) -> None:
        """Part with all sessions, to be resumed from their journals by another process.

        The thread that is inside the engine cannot be ended, nor those that wait for it.
        """
        if not self.stuck.is_set():
            log.error("an engine has not come back for %g s", self.limits.step)
            self.stuck.set()
        for session in list(self._sessions.values()):
            session.stop(EngineStuck("The server is restarted, since its engine hangs; resume."))

    async def drain(self) -> None:
        """Take no more audio, and wait until what was received is translated and delivered."""
        self.draining = True
        deadline = time.monotonic() + self.limits.drain
        for session in list(self._sessions.values()):
            session.suspend(Draining("The server is being restarted; resume in a moment."))
            session.broadcast.wake()
        while (self.taken or self._captioning.busy) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)

    def _taking(self) -> dict[str, int]:
        return {name: session.places for name, session in self._sessions.items()}

    def _running(self, session: str) -> LiveSession | None:
        found = self._sessions.get(session)
        return None if found is None or found.over else found

    async def _ours(self, session: str) -> LiveSession | None:
        """Return a session that runs here, unless another server has taken it over.

        Raises
        ------
        Unkept
            If that cannot be known now.
        """
        if found := self._running(session):
            await asyncio.to_thread(found.keep)
            if trouble := found.broadcast.journal.trouble:
                raise Unkept(trouble)
        return self._running(session)

    async def _take_over(self, wish: Resume, check: Callable[[], None]) -> LiveSession | Ended:
        """Continue a session from its journal where its client can, whoever wrote that before."""
        check()  # before it is read, which may take seconds, and before it is taken
        journal, past = await self._shelf.past(wish.session)
        if not past.ended:
            start_of(journal.header, past, wish, self.limits)
            for to in past.open:
                self.directions.require(Pair.parse(f"{journal.header['from']}-{to}"))
            async with self.place(len(past.open), wish.session):
                check()
                await asyncio.to_thread(journal.take)
                if not past.ended:
                    start = start_of(journal.header, past, wish, self.limits)
                    return self._open(Broadcast(journal), past, start)
        return Ended(Broadcast(journal), journal.header, tuple(past.targets))

    def _open(self, broadcast: Broadcast, past: Pasts, start: int) -> LiveSession:
        """Begin a session in a place that was taken for it."""
        session = LiveSession(
            self.interpreter,
            broadcast,
            past,
            start,
            self.limits,
            self.metrics,
            self.steps,
            self._captioning,
        )
        loop = asyncio.get_running_loop()

        def over() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._forget, session)

        session.start(over)
        self._sessions[session.id] = session
        self._readings.put(session.id, broadcast)
        return session

    def _forget(self, session: LiveSession) -> None:
        if self._sessions.get(session.id) is session:
            del self._sessions[session.id]
        session.broadcast.journal.close()

    def _farewell(self, session: LiveSession) -> Idle | None:
        """Return what a client is told that is there and silent."""
        if session.life.state is not State.ATTACHED:
            return None
        return Idle(f"No audio came for {self.limits.idle:g} s; the session ended.")
