"""Who holds which places in the cluster. Pure: it is told the time."""

from collections.abc import Mapping
from dataclasses import dataclass

LEASE = 5.0
"""Seconds for which a replica that says nothing is believed to be there."""


@dataclass(frozen=True, slots=True)
class _Holder:
    """A session replica: when it was last heard, and what it holds, by session."""

    heard: float
    held: Mapping[str, int]


class Ledger:
    """The places that replicas have taken.

    A replica that is not heard of loses what it holds. A session that has just moved is held by
    two; it is counted once, so that nobody who comes back finds its own place taken. What a call
    costs grows with what its replica holds, and not with the cluster.

    A ledger is empty when it starts, whatever is held: until a lease has passed since it was first
    asked, others hold at least what the replica that asks has last heard.
    """

    def __init__(self, lease: float = LEASE) -> None:
        self._lease = lease
        self._holders: dict[str, _Holder] = {}  # who was heard longest ago comes first
        self._sessions: dict[str, dict[str, int]] = {}  # places by session, then by holder
        self._taken = 0
        self._total = 0
        self._whole: float | None = None  # when everybody alive has been heard

    def take(
        self,
        holder: str,
        held: Mapping[str, int],
        places: int,
        total: int,
        now: float,
        heard: int = 0,
    ) -> int:
        """Take further places for a replica, if there are so many.

        Parameters
        ----------
        holder
            The replica.
        held
            All that it holds, by session, the new places included; other work has an empty name.
        places
            How many of these are new.
        total
            How many there are.
        now
            Seconds.
        heard
            How many places the replica has last heard that others hold.

        Returns
        -------
        int
            How many were free; fewer than ``places`` if none has been taken.
        """
        self._total = total
        free = total - self._believed(holder, held, now, heard) - (sum(held.values()) - places)
        if free >= places:
            self._hear(holder, held, now)
        return free

    def tell(
        self, holder: str, held: Mapping[str, int], total: int, now: float, heard: int = 0
    ) -> int:
        """Take down all that a replica holds; return how many places others have taken."""
        self._total = total
        self._hear(holder, held, now)
        return self._believed(holder, held, now, heard)

    def shown(self, now: float) -> dict[str, object]:
        """Return what is taken, for people."""
        self._expire(now)
        replicas = {
            name: {"sessions": len([*filter(None, each.held)]), "places": sum(each.held.values())}
            for name, each in sorted(self._holders.items())
        }
        return {"places": self._total, "taken": self._taken, "replicas": replicas}

    def _believed(self, holder: str, here: Mapping[str, int], now: float, heard: int) -> int:
        """Count what others hold; while not all have been heard, no less than was known before."""
        if self._whole is None:
            self._whole = now + self._lease
        known = self._elsewhere(holder, here, now)
        return max(known, heard) if now < self._whole else known

    def _elsewhere(self, holder: str, here: Mapping[str, int], now: float) -> int:
        """Count what others hold, except the sessions that are here."""
        self._expire(now)
        known = self._holders.get(holder)
        mine = {_key(name, holder): name for name in (*here, *(known.held if known else ()))}
        own = 0
        for key, name in mine.items():
            entry = self._sessions.get(key, {})
            own += _once(entry) - (0 if name in here else _once(entry, holder))
        return self._taken - own

    def _hear(self, holder: str, held: Mapping[str, int], now: float) -> None:
        """Have a replica hold this from now on, and nothing else."""
        known = self._holders.pop(holder, None)
        before = known.held if known else {}
        self._holders[holder] = _Holder(now, dict(held))
        if before != held:
            self._enter(holder, before, -1)
            self._enter(holder, held, 1)

    def _enter(self, holder: str, held: Mapping[str, int], sign: int) -> None:
        """Count places that a replica holds, or, with a sign of -1, holds no more."""
        for name, places in held.items():
            key = _key(name, holder)
            entry = self._sessions.setdefault(key, {})
            self._taken -= _once(entry)
            entry.pop(holder, None)
            if sign > 0:
                entry[holder] = places
            self._taken += _once(entry)
            if not entry:
                del self._sessions[key]

    def _expire(self, now: float) -> None:
        """Forget replicas that are not heard of."""
        while self._holders:
            name, oldest = next(iter(self._holders.items()))
            if now - oldest.heard < self._lease:
                return
            self._enter(name, self._holders.pop(name).held, -1)


def _key(name: str, holder: str) -> str:
    """Return what a session is counted by; other work is each replica's own."""
    return name or f"#{holder}"


def _once(entry: dict[str, int], but: str = "") -> int:
    """Return the places of a session that may be held by several, as the last of them said."""
    for holder in reversed(entry):
        if holder != but:
            return entry[holder]
    return 0
