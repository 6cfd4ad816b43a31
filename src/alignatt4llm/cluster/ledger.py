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
    two; it is counted once, so that nobody who comes back finds its own place taken.
    """

    def __init__(self, lease: float = LEASE) -> None:
        self._lease = lease
        self._holders: dict[str, _Holder] = {}
        self._total = 0

    def take(
        self, holder: str, held: Mapping[str, int], places: int, total: int, now: float
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

        Returns
        -------
        int
            How many were free; fewer than ``places`` if none has been taken.
        """
        self._total = total
        free = total - self._elsewhere(holder, held, now) - (sum(held.values()) - places)
        if free >= places:
            self._holders[holder] = _Holder(now, dict(held))
        return free

    def tell(self, holder: str, held: Mapping[str, int], total: int, now: float) -> int:
        """Take down all that a replica holds; return how many places others have taken."""
        self._total = total
        self._holders[holder] = _Holder(now, dict(held))
        return self._elsewhere(holder, held, now)

    def shown(self, now: float) -> dict[str, object]:
        """Return what is taken, for people."""
        taken = self._elsewhere("", {}, now)
        replicas = {
            name: {"sessions": len([*filter(None, each.held)]), "places": sum(each.held.values())}
            for name, each in sorted(self._holders.items())
        }
        return {"places": self._total, "taken": taken, "replicas": replicas}

    def _elsewhere(self, holder: str, here: Mapping[str, int], now: float) -> int:
        """Count what others hold, except the sessions that are here."""
        self._holders = {
            name: each for name, each in self._holders.items() if now - each.heard < self._lease
        }
        taken: dict[str, int] = {}
        for other, each in self._holders.items():
            if other != holder:
                taken |= {name or f"#{other}": places for name, places in each.held.items()}
        return sum(places for name, places in taken.items() if name not in here)
