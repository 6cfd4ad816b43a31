"""The life of a session: where it stands, and the only ways from there.

    waiting ⇄ attached      a client comes, is followed by another, or goes
       ↓         ↓
    ending or pausing       no more audio is taken; what was received is translated
       ↓
    over                    nothing more is said, and the place is free

Whoever waits or is silent for too long is overdue, so that every session leaves the first two; the
engine's time for a chunk bounds the others.
"""

import time
from enum import Enum
from threading import RLock

from alignatt4llm.serve.errors import Farewell
from alignatt4llm.serve.limits import Limits


class State(Enum):
    """Where a session stands; pausing ends without an end, to be continued from its journal."""

    WAITING = "waiting"
    ATTACHED = "attached"
    ENDING = "ending"
    PAUSING = "pausing"
    OVER = "over"


class Turn(Enum):
    """What happens to a session."""

    COME = "come"
    GO = "go"
    END = "end"
    PAUSE = "pause"
    STOP = "stop"


_NEXT = {
    (State.WAITING, Turn.COME): State.ATTACHED,
    (State.ATTACHED, Turn.COME): State.ATTACHED,
    (State.ATTACHED, Turn.GO): State.WAITING,
    **{
        (state, turn): after
        for state in (State.WAITING, State.ATTACHED)
        for turn, after in ((Turn.END, State.ENDING), (Turn.PAUSE, State.PAUSING))
    },
    **{(state, Turn.STOP): State.OVER for state in State if state is not State.OVER},
}


class Life:
    """The state of one session and the client that feeds it; any thread may turn it.

    Attributes
    ----------
    state
        Where it stands. A new session waits for its client.
    problem
        Why it ends early, or None.
    lock
        Held by whoever says something, so that nothing is said once it is over.
    """

    def __init__(self) -> None:
        self.state = State.WAITING
        self.problem: Farewell | None = None
        self.lock = RLock()
        self._client: object | None = None
        self._active = time.monotonic()

    def come(self, client: object) -> None:
        """Note who feeds the session; whoever did before does no longer."""
        with self.lock:
            self._client = client
            self._turn(Turn.COME)
            self.touch()

    def go(self, client: object) -> None:
        """Note that a client is gone, unless another has followed it."""
        with self.lock:
            if self.fed_by(client):
                self._client = None
                self._turn(Turn.GO)
                self.touch()

    def fed_by(self, client: object) -> bool:
        """Whether this client feeds the session."""
        return self._client is client

    def touch(self) -> None:
        """Note that the client is there."""
        self._active = time.monotonic()

    def overdue(self, limits: Limits) -> bool:
        """Whether it has waited, or its client has been silent, for too long."""
        longest = {State.WAITING: limits.resume, State.ATTACHED: limits.idle}
        return time.monotonic() - self._active > longest.get(self.state, float("inf"))

    def end(self, why: Farewell | None = None) -> bool:
        """Begin to end; return whether this is new."""
        return self._part(Turn.END, why)

    def pause(self, why: Farewell) -> bool:
        """Begin to stop, to be continued later; return whether this is new."""
        return self._part(Turn.PAUSE, why)

    def stop(self, why: Farewell | None = None) -> bool:
        """Be over; return whether this is new."""
        return self._part(Turn.STOP, why)

    def _part(self, turn: Turn, why: Farewell | None) -> bool:
        with self.lock:
            moved = self._turn(turn)
            if moved:
                self.problem = why or self.problem
            return moved

    def _turn(self, turn: Turn) -> bool:
        following = _NEXT.get((self.state, turn))
        self.state = following or self.state
        return following is not None
