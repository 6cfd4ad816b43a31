"""The targets of a session that runs: opened beside what goes on, and told of when they change."""

import logging
from collections.abc import Callable
from dataclasses import replace
from threading import Condition, RLock, Thread
from threading import Event as Flag

from alignatt4llm.events import ADDED, DROPPED, ENDED, Close, Commit, TargetState
from alignatt4llm.serve.errors import Refused
from alignatt4llm.serve.pasts import Pasts, again
from alignatt4llm.session import Session
from alignatt4llm.stream import Begins, Standing, Stream

log = logging.getLogger(__name__)


class Targets:
    """What one session is translated into.

    Parameters
    ----------
    past
        What was said before.
    opens
        Opens the session of a target on a stream, which takes a while.
    tell
        Is told when something happens to a target; with the lock held.
    failed
        Is told of a language that could not be opened, and why; it is still to be ended.
    changed
        Called when the stream should be looked at.
    lock
        Held while targets change.

    Attributes
    ----------
    codes
        The languages that have not ended, in the order in which they came.
    """

    def __init__(
        self,
        past: Pasts,
        opens: Callable[[str, Stream], Session],
        tell: Callable[[TargetState], None],
        failed: Callable[[str, Exception], None],
        changed: Callable[[], None],
        lock: RLock,
    ) -> None:
        self.codes = list(past.open)
        self._past, self._opens, self._tell, self._changed = past, opens, tell, changed
        self._failed, self._lock = failed, lock
        self._coming, self._came = 0, Condition(lock)
        self._before = {to: each.past.standing for to, each in past.targets.items()}
        self._dropped = {  # and how many words of the stream had been heard
            to: each.until for to, each in past.open.items() if each.until is not None
        }
        self._stream: Stream | None = None
        self._sessions: dict[str, Session] = {}
        self._there = Flag()

    def begin(self, stream: Stream, start: int) -> None:
        """Open the targets that there are, on a stream that goes on with a sample."""
        for to, each in self._past.open.items():
            session = self._opens(to, stream)
            if each.begins is None:
                session.restore(each.past.standing, start, each.past.delays)
            self._put(to, session, stream, each.begins)
        with self._lock:
            self._stream = stream
            for to, until in self._dropped.items():  # while others were opened
                stream.drop(to, until)
        self._there.set()

    def add(self, to: str, from_start: bool, clock: float) -> None:
        """Let a language join at the next utterance, or say everything from the start on.

        Raises
        ------
        Refused
            If it is there.
        """
        with self._lock:
            if to in self.codes:
                leaves = (
                    "is still being said to its end; add it again" if to in self._dropped else ""
                )
                raise Refused(f"'{to}' {leaves or 'is there already; name another language'}.")
            self.codes.append(to)
            self._coming += 1
            self._tell(TargetState(ADDED, clock, from_start=from_start, to=to))
        begins = Begins.START if from_start else Begins.NEXT
        Thread(target=self._join, args=(to, begins), name=f"target-{to}", daemon=True).start()

    def drop(self, to: str, clock: float) -> None:
        """Let a language say what was heard by now, and end.

        Raises
        ------
        Refused
            If it is not there, or is the last.
        """
        with self._lock:
            staying = [code for code in self.codes if code not in self._dropped]
            if to not in staying:
                raise Refused(f"'{to}' is not among the languages here: {', '.join(staying)}.")
            if len(staying) == 1:
                raise Refused(f"'{to}' is the only language left; send 'end' to end the session.")
            until = len((self._stream or self._past).words)
            self._dropped[to] = until
            if self._stream:
                self._stream.drop(to, until)
            self._tell(TargetState(DROPPED, clock, to=to))
        self._changed()

    def ended(self, to: str, clock: float) -> None:
        """Note that all has been said in a language."""
        with self._lock:
            if to in self.codes:
                self.codes.remove(to)
                self._dropped.pop(to, None)
                self._sessions.pop(to, None)
                self._tell(TargetState(ENDED, clock, to=to))

    def note(self, event: Commit | Close) -> None:
        """Remember what a language has to go on with if it is dropped and added again."""
        before = self._before.get(event.to, Standing())
        number = event.utterance + isinstance(event, Close)
        self._before[event.to] = replace(before, utterance=number, said=True)

    def lags(self, samples: int) -> dict[str, int]:
        """Return how many of the stream's samples each has not yet translated."""
        taken = {to: one.transcript.samples for to, one in list(self._sessions.items())}
        return {to: max(0, samples - count) for to, count in taken.items() if count}

    def settle(self) -> None:
        """Wait until all that were added are there, or could not be opened."""
        with self._came:
            self._came.wait_for(lambda: not self._coming)

    def close(self) -> None:
        """Let nobody join any more."""
        with self._lock:
            self._stream = None
        self._there.set()

    def _join(self, to: str, begins: Begins) -> None:
        """Open a target that was added, however long that takes."""
        self._there.wait()
        try:
            if stream := self._stream:
                self._admit(to, self._opens(to, stream), begins)
        except Exception as problem:
            log.exception("no session into '%s' could be opened", to)
            self._failed(to, problem)
        finally:
            with self._came:
                self._coming -= 1
                self._came.notify_all()
        self._changed()

    def _admit(self, to: str, session: Session, begins: Begins) -> None:
        """Take in a target that is open, unless all is over."""
        with self._lock:
            if stream := self._stream:
                self._put(to, session, stream, begins)
                return
        session.close()

    def _put(self, to: str, session: Session, stream: Stream, begins: Begins | None) -> None:
        self._sessions[to] = session
        stream.add(session, begins, again(self._before.get(to, Standing())))
        if to in self._dropped:
            stream.drop(to, self._dropped[to])
