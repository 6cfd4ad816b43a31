"""What a store of journals has to be able to do: lines in order, and one owner at a time.

Whoever resumes a session takes it over and so begins the next epoch; whoever wrote before can write
no more. Epochs are counted, they are not times: no two clocks have to agree.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class Log(Protocol):
    """The lines of one session; use it from one thread at a time, `since` from any.

    What cannot be done now, but perhaps later, raises Unkept in all of this.

    Attributes
    ----------
    header
        What the session was started with.
    """

    header: dict[str, Any]

    def more(self) -> Iterator[str]:
        """Yield the lines that were not yielded, nor written, here before."""
        ...

    def since(self, seq: int, most: int) -> list[str]:
        """Return so many of the events after a number at most, oldest first."""
        ...

    def take(self) -> list[str]:
        """Become the owner; return what others have written up to that moment."""
        ...

    def write(self, lines: Sequence[str]) -> None:
        """Write lines as their owner, again where it is unknown whether they were written.

        Without lines it only finds out whether that could be.

        Raises
        ------
        Replaced
            If somebody else has become the owner; nothing is then written.
        UnknownSession
            If the store has lost what was written before.
        """
        ...

    def close(self) -> None:
        """End writing; it can still be read."""
        ...


class Store(Protocol):
    """All the journals of one place.

    Where no session has a name, or another version wrote it, it raises UnknownSession; where
    nothing can be done now, Unkept.
    """

    def create(self, header: dict[str, Any]) -> Log:
        """Begin the journal of a session, as its owner."""
        ...

    def open(self, session: str) -> Log:
        """Find a journal, to be read or taken."""
        ...

    def header(self, session: str) -> dict[str, Any]:
        """Read what a session was started with."""
        ...

    def tidy(self) -> None:
        """Delete the journals that have not changed for too long."""
        ...

    def check(self) -> None:
        """Raise AlignattError, in a sentence that names the place, if it cannot be used."""
        ...
