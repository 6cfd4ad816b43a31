"""What a session says on its way: to its journal, and from there to listeners and captions."""

from dataclasses import replace
from threading import Lock

from alignatt4llm.events import JOINED, Close, Commit, End, Event, Notice, Source, TargetState
from alignatt4llm.outputs.sinks.each import EachTarget
from alignatt4llm.serve.broadcast import Broadcast


class Telling:
    """Tells events as clients of a session's version know them, and hands captions on.

    Parameters
    ----------
    broadcast
        Where events go.
    captions
        Where captions go, once what they show is written.
    alone
        Whether the session has one target and is told nothing about it.
    behind
        The targets that begin with what was heard long before.
    """

    def __init__(
        self, broadcast: Broadcast, captions: EachTarget, alone: bool, behind: set[str]
    ) -> None:
        self._broadcast, self._captions, self._alone = broadcast, captions, alone
        self._catching_up = behind
        self._handing = Lock()
        self._unkept = False

    def say(self, event: Event) -> None:
        """Tell an event."""
        told = event
        if self._alone and isinstance(event, Source):
            told = replace(event, to="", first=0)
        elif self._alone and not isinstance(event, Notice | TargetState):
            told = replace(event, to="")
        unknown = self._alone and isinstance(event, TargetState)
        if unknown or self._repeats(event):
            self._hand_on(event)
        else:
            self._broadcast.publish(told, lambda: self._hand_on(event))

    def keep(self) -> None:
        """Write what waits; say when that can no longer be done, and when it can again."""
        journal = self._broadcast.journal
        journal.flush()
        if journal.problem or bool(journal.trouble) is self._unkept:
            return
        self._unkept = bool(journal.trouble)
        if journal.trouble:
            text = (
                f"What is said cannot be kept now ({journal.trouble}). It goes on, and stands as "
                "held until it is kept; until then the session cannot be resumed."
            )
            self._broadcast.publish(Notice("unkept", text))
        else:
            self._broadcast.publish(
                Notice("kept", "What is said is kept again, and the session can be resumed.")
            )

    def _hand_on(self, event: Event) -> None:
        """Hand an event to the captions, unless something that stands before it is not written."""
        written = isinstance(event, Commit | Close | TargetState | End)
        if written or not self._broadcast.journal.waiting:
            with self._handing:
                self._captions.write(event)

    def _repeats(self, event: Event) -> bool:
        """Whether it only tells, at length, what a target that catches up begins with."""
        if isinstance(event, TargetState) and event.state == JOINED and event.from_start:
            self._catching_up.add(event.to)
        elif isinstance(event, Source) and event.to in self._catching_up:
            self._catching_up.remove(event.to)
            return True
        return False
