"""What a session has said for good: numbered events, none of them ever changed.

A server that goes on with the session finds here all that it needs: what was said, the source words
that became final, and how much of the audio they cover. What cannot be written now waits, in order,
and has not been said until it is written.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from threading import Lock, RLock
from typing import TypeVar

from alignatt4llm.events import End, TargetState
from alignatt4llm.serve.errors import Farewell, Unkept, UnknownSession
from alignatt4llm.serve.journals.base import Log
from alignatt4llm.serve.journals.records import (
    Durable,
    event_line,
    event_of,
    heard_line,
    is_event,
    is_of,
    readable,
    record_of,
)
from alignatt4llm.serve.past import Settled
from alignatt4llm.serve.pasts import Pasts
from alignatt4llm.text.languages import LANGUAGES, Language

T = TypeVar("T")

MOST_WAITING = 10_000
"""Lines that may wait for the store to take them."""
_AT_ONCE = 256
"""Lines read or written at once, so that memory stays bounded whatever a client asks for; of a
session that is live so many are at hand."""
_STRETCH, _REST = 64, 0.001
"""Lines of a whole journal that are read in a row, and seconds of rest after them: a thread that
only waits for its turn among others that compute is late, and on a busy machine very late."""
_AGAIN = 0.1
"""Seconds between two tries to write what is left at the end."""


class Journal:
    """The numbered events of one session; they may be read while they are written, also elsewhere.

    Parameters
    ----------
    log
        Its lines in a store.
    past
        Is told all that was said, if that is wanted.
    owned
        Whether it is written here from the beginning; else see `take`.

    Attributes
    ----------
    header
        What the session was started with.
    last
        Number of the last event that is written, 0 if there is none.
    targets
        The languages that it is translated into, and those that were dropped.
    ended
        Whether its end is written.
    trouble
        Why nothing can be written now; empty if it can.
    problem
        Why nothing will be written here any more, or None.
    """

    def __init__(self, log: Log, past: Pasts | None = None, owned: bool = False) -> None:
        self.header = log.header
        self.last, self.ended = 0, False
        self.targets = tuple(LANGUAGES[code] for code in self.header.get("to", ()))
        self.trouble = ""
        self.problem: Farewell | None = None
        self._log, self._past, self._owned = log, past, owned
        self._number = 0  # of the last event that is written or waits
        self._recent: deque[str] = deque(maxlen=_AT_ONCE)
        self._waiting: deque[tuple[str, Callable[[], None]]] = deque()
        self._lock, self._turn = Lock(), RLock()  # for what is here, and for the log
        self._read()

    @property
    def source(self) -> Language:
        """The language that is spoken."""
        return LANGUAGES[self.header["from"]]

    @property
    def waiting(self) -> bool:
        """Whether something is not written yet."""
        return bool(self._waiting)

    @property
    def safe(self) -> bool:
        """Whether everything that was said here so far is written."""
        return not self._waiting and self._owned and not self.problem

    def take(self) -> None:
        """Write from here on, instead of whoever did; what they have written is taken in first.

        Raises
        ------
        Unkept
            If that cannot be now.
        UnknownSession
            If the journal is gone, or damaged.
        """
        with self._turn:
            with readable():
                for line in self._log.take():
                    self._add(line)
            self._owned, self._past, self._number = True, None, self.last

    def append(self, event: Durable, then: Callable[[], None] = lambda: None) -> None:
        """Write an event under the next number; ``then`` is called once it is written."""
        with self._lock:
            self._number += 1
            self._put(event_line(self._number, event), then)
        self._write_soon()

    def hear(self, settled: Settled) -> None:
        """Note source words that became final."""
        with self._lock:
            self._put(heard_line(settled), lambda: None)
        self._write_soon()

    def flush(self) -> None:
        """Write what waits, as far as that can be, and find out whether it still may be."""
        with self._turn:
            while self._owned and not self.problem and self._write():
                pass

    def settle(self, seconds: float) -> None:
        """Wait so long until everything is written.

        Raises
        ------
        Unkept
            If it cannot be.
        Replaced, UnknownSession
            If it never will be.
        """
        until = time.monotonic() + seconds
        while not self.problem and self.waiting:
            if time.monotonic() > until:
                raise Unkept(self.trouble)
            time.sleep(_AGAIN)
            self.flush()
        if self.problem:
            raise self.problem

    def since(self, seq: int) -> list[str]:
        """Return the events after a number as JSON, oldest first; call again for more.

        Raises
        ------
        Unkept, UnknownSession
            If they cannot be read, now or any more.
        """
        with self._lock:
            count = self.last - seq
            if count <= len(self._recent):
                first = len(self._recent) - max(0, count)
                return list(islice(self._recent, first, None))
        if lines := self._log.since(seq, _AT_ONCE):
            return lines
        raise UnknownSession("What was said in this session is no longer kept.")

    def look(self) -> bool:
        """Take in what others have written since; return whether that is anything."""
        with self._turn:
            return not self._owned and self._read()

    def close(self) -> None:
        """End writing; it can still be read. What waits was not said."""
        with self._turn, self._lock:
            self._owned = False
            self._waiting.clear()
            self._log.close()

    def _read(self) -> bool:
        before = self.last
        with readable():
            for line in _restfully(self._log.more()):
                self._add(line)
        self._number = self.last
        return self.last > before

    def _add(self, line: str) -> None:
        """Take in a line that is written."""
        with self._lock:
            if is_event(line):
                self._recent.append(line)
                self.last += 1
                self._note(line)
        if self._past and (record := record_of(line)):
            self._past.add(record)

    def _note(self, line: str) -> None:
        if is_of(line, TargetState):
            turn = event_of(line)
            if turn and (target := LANGUAGES[turn.to]) not in self.targets:
                self.targets = (*self.targets, target)
        elif is_of(line, End):
            self.ended = True

    def _put(self, line: str, then: Callable[[], None]) -> None:
        if self.problem or not self._owned:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.problem = Unkept(self.trouble)
            return
        self._waiting.append((line, then))

    def _write_soon(self) -> None:
        """Write, unless somebody else tries from time to time whether that can be again."""
        if not self.trouble:
            self.flush()

    def _write(self) -> bool:
        """Write some of what waits; return whether there is more and it can be written."""
        with self._lock:
            some = list(islice(self._waiting, _AT_ONCE))
        try:
            self._log.write([line for line, _ in some])
        except Unkept as problem:
            self.trouble = problem.reason
            return False
        except Farewell as problem:
            self.problem = problem
            with self._lock:
                self._waiting.clear()
            return False
        self.trouble = ""
        for line, then in some:
            self._add(line)
            then()
            with self._lock:
                self._waiting.popleft()
        return self.waiting


def events_of(journal: Journal) -> Iterator[Durable]:
    """Read the numbered events back."""
    seq = 0
    while lines := journal.since(seq):
        seq += len(lines)
        for line in lines:
            if event := event_of(line):
                yield event


def _restfully(lines: Iterable[T]) -> Iterator[T]:
    """Yield lines, leaving the interpreter to others for a while again and again."""
    for number, line in enumerate(lines, 1):
        yield line
        if number % _STRETCH == 0:
            time.sleep(_REST)
