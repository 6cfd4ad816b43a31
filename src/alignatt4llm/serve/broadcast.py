"""What a session says, for any number of listeners, each at its own pace."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

from starlette.concurrency import run_in_threadpool

from alignatt4llm.events import (
    Close,
    Commit,
    End,
    Event,
    Notice,
    Preview,
    Source,
    TargetState,
    Trace,
    to_json,
)
from alignatt4llm.outputs.only import Only
from alignatt4llm.serve.audience import Audience
from alignatt4llm.serve.journals.journal import Journal
from alignatt4llm.text.languages import LANGUAGES

_KEEPING = "unkept", "kept"
"""Kinds of notices of which the newest says all: a disk may come and go for days."""
_SHOWN = 2000
"""Characters of what is not written yet that are shown as held at most, the newest."""


class Broadcast:
    """The journal, the notices, and the newest of the events that may be forgotten.

    A session publishes from its own thread; a listener in the event loop asks for what is new
    to it. Nothing is queued for anybody: a slow listener finds several numbered events at once
    and only the newest of the others. Numbered events are told once they are written; until then
    their text stands before what is held. Notices, of which a stream has few, are kept for those
    who come later; of those that tell whether what is said is kept, only the newest.

    Attributes
    ----------
    journal
        What was said for good.
    audience
        Who reads along, and how fast they must.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.audience = Audience(journal.targets)
        self._lock = Lock()
        self._newest: dict[tuple[str, str], tuple[int, str]] = {}  # by type and target
        self._teller = ""  # the target that the newest source is of
        self._followed: dict[str, Only] = {}
        self._heard: dict[str, tuple[int, Source]] = {}  # as each target counts words
        self._notices: list[tuple[int, Notice]] = []
        self._noticed = 0
        self._unwritten: dict[str, str] = {}  # by target
        self._version = 0
        self._wakes: set[Callable[[], None]] = set()

    @property
    def heeded(self) -> bool:
        """Whether anybody listens."""
        return bool(self._wakes)

    def publish(self, event: Event, then: Callable[[], None] = lambda: None) -> None:
        """Take an event from the session's thread; ``then`` is called when it is told."""
        if isinstance(event, Commit | Close | TargetState | End):
            if isinstance(event, End):
                event = replace(event, units=(), delays=(), elapsed=())
            self._put_off(event, 1)
            self.journal.append(event, lambda: self._said(event, then))
            if isinstance(event, Commit) and self.journal.waiting:
                self._show(Preview("", event.utterance, "unkept", event.to))
                self.wake()
            return
        if isinstance(event, Notice):
            self._notice(event)
        else:
            self._show(event)
        then()
        self.wake()

    def look(self) -> None:
        """Take in what another server has written since."""
        if self.journal.look():
            with self._lock:
                self._newest.clear()
                self._heard.clear()
            self.wake()

    def _said(self, event: Commit | Close | TargetState | End, then: Callable[[], None]) -> None:
        """Tell an event that is written."""
        with self._lock:
            self._forget(event)
            self._follow(event)
        self._put_off(event, -1)
        if isinstance(event, Commit):
            self.audience.read(event)
        then()
        self.wake()

    def _notice(self, event: Notice) -> None:
        """Keep a notice, and what it does not replace."""
        with self._lock:
            if event.kind in _KEEPING:
                kept = [known for known in self._notices if known[1].kind not in _KEEPING]
                self._notices = kept
            self._noticed += 1
            self._notices.append((self._noticed, event))

    def _put_off(self, event: Event, way: int) -> None:
        """Note text that is not written yet, or (``way`` -1) that it is."""
        if isinstance(event, Commit):
            with self._lock:
                before = self._unwritten.get(event.to, "")
                after = before + event.text if way > 0 else before[len(event.text) :]
                self._unwritten[event.to] = after

    def _show(self, event: Source | Preview | Trace) -> None:
        """Replace the newest of its kind."""
        if isinstance(event, Preview) and (before := self._unwritten.get(event.to, "").strip()):
            target = LANGUAGES[event.to] if event.to else self.journal.targets[0]
            text = f"{before[-_SHOWN:]}{target.separator}{event.text}".rstrip()
            event = replace(event, text=text)
        with self._lock:
            self._version += 1
            whose = "" if isinstance(event, Source) else event.to
            if isinstance(event, Source):
                self._teller = event.to
            self._newest[event.type, whose] = (self._version, to_json(event))
            self._follow(event)

    def _forget(self, event: Commit | Close | TargetState | End) -> None:
        """Forget what an event replaces: what its target holds, and after a close what it heard."""
        self._newest.pop((Preview.type, event.to), None)
        if not isinstance(event, Commit):
            self._newest.pop((Trace.type, event.to), None)
            if event.to == self._teller:
                self._newest.pop((Source.type, ""), None)

    def _follow(self, event: Source | Commit | Close | Preview | Trace | TargetState | End) -> None:
        """Note what is heard in the open utterance of each target, whoever tells."""
        for to in (target.code for target in self.journal.targets):
            only = self._followed.setdefault(to, Only(to))
            own = only.take(event) if event.to else event
            if isinstance(own, Source):
                self._heard[to] = (self._version, own)
            elif isinstance(own, Close | TargetState | End):
                self._heard.pop(to, None)

    def wake(self) -> None:
        """Make every listener look again."""
        with self._lock:
            wakes = tuple(self._wakes)
        for wake in wakes:
            wake()

    @contextmanager
    def woken(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have something called, from any thread, when there may be something new."""
        with self._lock:
            self._wakes.add(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wakes.discard(wake)

    @contextmanager
    def listener(self, seq: int, trace: bool) -> Iterator["Listener"]:
        """Listen to what comes after a number."""
        listener = Listener(self, seq, trace)
        with self.woken(listener.wake):
            yield listener

    def newest(self, kind: str) -> dict[str, tuple[int, str]]:
        """Return the newest event of a kind that may be forgotten, of each target."""
        with self._lock:
            return {to: found for (type_, to), found in self._newest.items() if type_ == kind}

    def heard(self, to: str) -> tuple[int, Source] | None:
        """Return the open words of a target as they were heard last, and their version."""
        with self._lock:
            return self._heard.get(to)

    def notices(self, after: int) -> list[tuple[int, str]]:
        """Return the notices after a number, with theirs, as JSON."""
        with self._lock:
            return [(number, to_json(event)) for number, event in self._notices if number > after]


class Listener:
    """One reader of a broadcast, in the event loop."""

    def __init__(self, broadcast: Broadcast, seq: int, trace: bool) -> None:
        self._broadcast = broadcast
        self.seq = seq
        self._after = (Trace.type, Preview.type) if trace else (Preview.type,)
        self._seen: dict[tuple[str, str], int] = {}
        self._noticed = 0
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def wake(self) -> None:
        """Note from any thread that there may be something new."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def wait(self, seconds: float) -> bool:
        """Wait until there may be something new; return whether it took longer than this."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return True
        self._changed.clear()
        return False

    async def fresh(self) -> AsyncIterator[str]:
        """Yield what is new as JSON: notices, source, numbered events in order, what is held.

        Others have their turn between two lines, also while somebody catches up with hours.
        """
        for line in self._notices():
            yield line
        for line in self._newest(Source.type):
            yield line
        async for line in self._numbered():
            yield line
        for kind in self._after:
            for line in self._newest(kind):
                yield line

    async def _numbered(self) -> AsyncIterator[str]:
        journal = self._broadcast.journal
        while self.seq < journal.last:
            lines = await run_in_threadpool(journal.since, self.seq)
            for notice in self._notices():  # said before these lines, the end among them
                yield notice
            for line in lines:
                self.seq += 1
                yield line
                await asyncio.sleep(0)

    def _notices(self) -> Iterator[str]:
        for number, line in self._broadcast.notices(self._noticed):
            self._noticed = number
            yield line

    def _newest(self, kind: str) -> Iterator[str]:
        for to, (version, line) in self._broadcast.newest(kind).items():
            if version > self._seen.get((kind, to), 0):
                self._seen[kind, to] = version
                yield line
