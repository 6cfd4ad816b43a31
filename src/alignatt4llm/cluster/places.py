"""The places of the whole cluster, counted in one actor."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayError

from alignatt4llm.cluster.ledger import Ledger
from alignatt4llm.serve.places import check_free

NAMESPACE = "alignatt"
_PATIENCE = 2.0
"""Seconds in which the actor has to answer; then what is known here decides."""

log = logging.getLogger(__name__)


class Counter:
    """The actor: a ledger with a clock."""

    def __init__(self) -> None:
        self._ledger = Ledger()

    def take(
        self, holder: str, held: dict[str, int], places: int, total: int, heard: int = 0
    ) -> int:
        """See `Ledger.take`."""
        return self._ledger.take(holder, held, places, total, time.monotonic(), heard)

    def tell(self, holder: str, held: dict[str, int], total: int, heard: int = 0) -> int:
        """See `Ledger.tell`."""
        return self._ledger.tell(holder, held, total, time.monotonic(), heard)

    def shown(self) -> dict[str, object]:
        """See `Ledger.shown`."""
        return self._ledger.shown(time.monotonic())


def counter(application: str) -> Any:
    """Return the actor of an application, which is started if it is not there."""
    actor = ray.remote(num_cpus=0, max_restarts=-1)(Counter)
    return actor.options(
        name=application, namespace=NAMESPACE, get_if_exists=True, lifetime="detached"
    ).remote()


class SharedPlaces:
    """The other session replicas, as one of them sees them; see `serve.places.Sharing`.

    While the actor does not answer, a replica goes by what it last heard of the others.

    Parameters
    ----------
    actor
        As `counter` returns it.
    name
        Of this replica.
    """

    def __init__(self, actor: Any, name: str) -> None:
        self.taken = 0
        self._actor = actor
        self._name = name

    async def take(self, held: Mapping[str, int], places: int, total: int) -> None:
        """Take places; raise Busy if there are not so many."""
        known = total - self.taken - (sum(held.values()) - places)
        asked = self._name, dict(held), places, total, self.taken
        free = await self._asked("take", known, *asked)
        check_free(total, free, places)

    async def tell(self, held: Mapping[str, int], total: int) -> None:
        """Say what is held here, and hear what others hold."""
        asked = self._name, dict(held), total, self.taken
        self.taken = await self._asked("tell", self.taken, *asked)

    async def _asked(self, method: str, otherwise: Any, *arguments: object) -> Any:
        """Ask the actor; what else is known is the answer while it does not."""
        try:
            call = getattr(self._actor, method).remote(*arguments)
            return await asyncio.wait_for(call, _PATIENCE)
        except (RayError, TimeoutError):
            log.warning("the places of the cluster cannot be counted just now")
            return otherwise
