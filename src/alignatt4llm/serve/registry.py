"""All sessions of a server: who may have one, who is waited for, what is on disk."""

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.errors import Busy, Draining, TooLong, UnknownSession, Unsupported
from alignatt4llm.serve.journal import Journal, Past, journal_path, remove_older
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.messages import VERSION, Resume, Start
from alignatt4llm.serve.metrics import Metrics
from alignatt4llm.serve.sessions import LiveSession
from alignatt4llm.text.languages import Pair

_CLEANING = 3600.0

log = logging.getLogger(__name__)


class Registry:
    """Opens sessions while there are places, and finds them again.

    Everything here runs in the event loop.

    Parameters
    ----------
    interpreter
        Opens sessions.
    limits
        How many, how long.
    folder
        Where journals are kept.
    metrics
        Counts.
    """

    def __init__(
        self, interpreter: Interpreter, limits: Limits, folder: Path, metrics: Metrics
    ) -> None:
        self.interpreter = interpreter
        self.limits = limits
        self.folder = folder
        self.metrics = metrics
        self.draining = False
        self._sessions: dict[str, LiveSession] = {}
        self._clients: dict[str, object] = {}
        self._others = 0
        self._cleaned = -_CLEANING

    @property
    def taken(self) -> int:
        """Places that are taken."""
        return len(self._sessions) + self._others

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place for work that is no session here.

        Raises
        ------
        Busy, Draining
            If there is none.
        """
        self.admit()
        self._others += 1
        try:
            yield
        finally:
            self._others -= 1

    def supported(self, pair: Pair) -> None:
        """Raise Unsupported for a pair without a head set."""
        if str(pair) not in self.interpreter.pairs:
            known = ", ".join(self.interpreter.pairs) or "none"
            raise Unsupported(f"{pair} cannot be translated here; directions: {known}.")

    def start(self, wish: Start) -> tuple[LiveSession, str]:
        """Open a session and return it with its key."""
        self.admit()
        self.supported(wish.pair)
        session, key = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        header = {
            "version": VERSION,
            "session": session,
            "key_sha256": _digest(key),
            "pair": str(wish.pair),
            "latency": wish.latency,
            "audio": wish.audio,
            "began": round(time.time(), 3),
        }
        journal = Journal.create(self.folder / f"{session}.jsonl", header)
        return self._run(Broadcast(journal), Past(header), 0), key

    def resume(self, wish: Resume) -> LiveSession | Broadcast:
        """Find a session again: running, or continued from disk, or over and only to be read.

        Raises
        ------
        UnknownSession
            If there is none under this name and key.
        """
        running = self._sessions.get(wish.session)
        if running is not None and not running.over:
            _check_key(running.header, wish.key)
            return running
        journal = self._journal(wish.session)
        past = journal.past()
        _check_key(past.header, wish.key)
        broadcast = Broadcast(journal)
        if past.ended:
            return broadcast
        self.admit()
        self.supported(Pair.parse(past.header["pair"]))
        start = past.settled
        if past.header["audio"] == "s16le":
            start = max(start, wish.position // 2)
        if start > self.limits.session * SAMPLE_RATE:
            raise TooLong("'position' lies beyond the longest session.")
        return self._run(broadcast, past, start)

    def broadcast(self, session: str) -> Broadcast:
        """Return what a session says or has said, for reading only."""
        running = self._sessions.get(session)
        return running.broadcast if running else Broadcast(self._journal(session))

    def is_running(self, session: str) -> bool:
        """Whether more can come from a session."""
        return session in self._sessions

    def attach(self, session: LiveSession, client: object) -> None:
        """Note who feeds a session; whoever did before sees that in `attached`."""
        self._clients[session.id] = client
        session.touch()
        session.broadcast.wake()

    def attached(self, session: LiveSession, client: object) -> bool:
        """Whether this client still feeds the session."""
        return self._clients.get(session.id) is client

    def detach(self, session: LiveSession, client: object) -> None:
        """Note that a client is gone; the session waits for it."""
        if self.attached(session, client):
            del self._clients[session.id]
            session.touch()

    async def watch(self) -> None:
        """Look after the sessions until cancelled."""
        while True:
            try:
                self.look_after(time.monotonic())
            except Exception:
                log.exception("looking after sessions failed")
            await asyncio.sleep(min(1.0, self.limits.step / 4, self.limits.resume / 4))

    def look_after(self, now: float) -> None:
        """End what is stuck, too long, or no longer waited for; delete old transcripts."""
        for session in list(self._sessions.values()):
            session.check(now)
            gone = session.id not in self._clients
            if gone and session.idle > self.limits.resume and not self.draining:
                session.finish()
        waiting = sum(name not in self._clients for name in self._sessions)
        self.metrics.sessions.labels("gone").set(waiting)
        self.metrics.sessions.labels("connected").set(self.taken - waiting)
        if now - self._cleaned > _CLEANING:
            self._cleaned = now
            remove_older(self.folder, self.limits.keep)

    async def drain(self) -> None:
        """Take no more audio, and wait until what was received is translated."""
        self.draining = True
        deadline = time.monotonic() + self.limits.drain
        for session in list(self._sessions.values()):
            session.suspend(Draining("The server is being restarted; resume in a moment."))
            session.broadcast.wake()
        while self.taken and time.monotonic() < deadline:
            await asyncio.sleep(0.05)

    def admit(self) -> None:
        """Raise Busy or Draining when there is no place for another session."""
        if self.draining:
            raise Draining("The server is being stopped; connect again in a moment.")
        if self.taken >= self.limits.sessions:
            raise Busy(f"All {self.limits.sessions} places are taken; try again later.")

    def _run(self, broadcast: Broadcast, past: Past, start: int) -> LiveSession:
        session = LiveSession(self.interpreter, broadcast, past, start, self.limits, self.metrics)
        loop = asyncio.get_running_loop()
        self._sessions[session.id] = session

        def over() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._forget, session)

        session.start(over)
        return session

    def _forget(self, session: LiveSession) -> None:
        if self._sessions.get(session.id) is session:
            del self._sessions[session.id]
        session.broadcast.journal.close()

    def _journal(self, session: str) -> Journal:
        path = journal_path(self.folder, session)
        if path is None or not path.is_file():
            raise UnknownSession("There is no such session here, or no longer.")
        return Journal(path)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _check_key(header: dict[str, Any], key: str) -> None:
    if not hmac.compare_digest(header["key_sha256"], _digest(key)):
        raise UnknownSession("There is no such session here, or no longer.")
