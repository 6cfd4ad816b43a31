"""Places, and how several servers share them."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

from alignatt4llm.serve.errors import Busy


class Sharing(Protocol):
    """The other servers, between which sessions move.

    Attributes
    ----------
    taken
        Places that they have taken, as far as is known.
    """

    taken: int

    async def take(self, held: Mapping[str, int], places: int, total: int) -> None:
        """Take places together with the others.

        Parameters
        ----------
        held
            What is taken here, by session, the new places included; see `Places.held`.
        places
            How many of these are new.
        total
            How many there are.

        Raises
        ------
        Busy
            If there are not so many; none is taken then.
        """
        ...

    async def tell(self, held: Mapping[str, int], total: int) -> None:
        """Say what is taken here, now and then; who says nothing for long has nothing."""
        ...


class Alone:
    """There is no other server."""

    taken = 0

    async def take(self, held: Mapping[str, int], places: int, total: int) -> None:
        """Places are counted by the server itself."""

    async def tell(self, held: Mapping[str, int], total: int) -> None:
        """Nobody listens."""


class Places:
    """Those of one server.

    Parameters
    ----------
    total
        How many there are, with those of all servers that share them.
    sharing
        These servers.
    running
        Says how many each session takes that runs here.
    """

    def __init__(
        self, total: int, sharing: Sharing, running: Callable[[], Mapping[str, int]]
    ) -> None:
        self.sharing = sharing
        self._total = total
        self._running = running
        self._others: Counter[str] = Counter()

    @property
    def held(self) -> dict[str, int]:
        """What is taken here, by session; other work goes by an empty name."""
        return {**self._others, **self._running()}

    @property
    def taken(self) -> int:
        """How many are taken here."""
        return sum(self.held.values())

    @property
    def free(self) -> int:
        """How many nobody has taken, as far as is known."""
        return max(0, self._total - self.taken - self.sharing.taken)

    def check(self, places: int) -> None:
        """Raise Busy if this server alone has taken too many."""
        check_free(self._total, self._total - self.taken, places)

    @asynccontextmanager
    async def take(self, places: int, session: str = "") -> AsyncIterator[None]:
        """Take some, once all servers agree; raise Busy if there are not so many."""
        with self.counted(places, session):
            await self.sharing.take(self.held, places, self._total)
            yield

    @contextmanager
    def counted(self, places: int, session: str = "") -> Iterator[None]:
        """Take some as far as this server knows."""
        self._others[session] += places
        try:
            yield
        finally:
            self._others[session] -= places
            self._others += Counter()  # without what is 0

    async def tell(self) -> None:
        """Tell the other servers; see `Sharing.tell`."""
        await self.sharing.tell(self.held, self._total)


def check_free(total: int, free: int, places: int) -> None:
    """Raise Busy if fewer places are free than are wanted."""
    if free >= places:
        return
    if free <= 0:
        raise Busy(f"All {total} places are taken; try again later.")
    raise Busy(
        f"{free} of {total} places are free, and {places} languages take {places}; name fewer, or "
        "try again later."
    )
