"""How far a run is: recordings, hours of audio, and what is left."""

from collections.abc import Callable, Iterable
from threading import Event, Lock, Thread
from typing import Self


class Account:
    """Counts what is found and what is done; any thread may tell it.

    Parameters
    ----------
    total
        Recordings that are to be done.

    Attributes
    ----------
    total, finished
        Recordings, those that failed included.
    done
        Seconds of audio that are done.
    """

    def __init__(self, total: int) -> None:
        self.total, self.finished, self.done = total, 0, 0.0
        self._lengths: dict[str, float] = {}
        self._over: set[str] = set()
        self._lock = Lock()

    def find(self, source: str, seconds: float | None) -> None:
        """Take how long a recording says it lasts."""
        with self._lock:
            if seconds is not None and source not in self._over:
                self._lengths[source] = seconds

    def finish(self, source: str, seconds: float) -> None:
        """Take that a recording is over, and how much of it was heard."""
        with self._lock:
            self.finished += 1
            self.done += seconds
            self._lengths[source] = seconds
            self._over.add(source)

    @property
    def found(self) -> float:
        """Seconds of all recordings; one of unknown length counts as the mean of the others."""
        with self._lock:
            known = len(self._lengths)
            return sum(self._lengths.values()) * max(self.total, known) / known if known else 0.0

    def left(self, elapsed: float) -> float | None:
        """Return how many seconds of work are left after so many; None while nothing is done."""
        return elapsed * (self.found - self.done) / self.done if self.done else None


class Lengths:
    """Asks recordings how long they are, beside the work; use it in a ``with`` block.

    Parameters
    ----------
    account
        Is told.
    sources
        The recordings.
    length
        Returns the seconds of one, if it says them.
    """

    def __init__(
        self, account: Account, sources: Iterable[str], length: Callable[[str], float | None]
    ) -> None:
        self._account, self._sources, self._length = account, sources, length
        self._left = Event()
        self._thread = Thread(target=self._ask, name="lengths", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()

    def _ask(self) -> None:
        for source in self._sources:
            if self._left.is_set():
                return
            self._account.find(source, self._length(source))
