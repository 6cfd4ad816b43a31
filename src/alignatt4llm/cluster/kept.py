"""Drafters that an engine replica keeps for streams it may hear of again."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from alignatt4llm.cluster.drafts import Lane
from alignatt4llm.translators.base import Drafter


class Kept:
    """The drafters of the streams that were last drafted for.

    They are only a cache: one that is not there is opened anew, which costs one reading of the
    prompt. A drafter is used by one call at a time.

    Parameters
    ----------
    most
        How many are kept between calls.
    open_one
        Opens a drafter.
    """

    def __init__(self, most: int, open_one: Callable[[Lane], Drafter]) -> None:
        self._most = most
        self._open = open_one
        self._lock = Lock()
        self._idle: OrderedDict[str, tuple[Lane, Drafter]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._idle)

    @contextmanager
    def drafter(self, lane: Lane) -> Iterator[Drafter]:
        """Give the drafter of a stream; one that fails is not kept."""
        drafter = self._take(lane) or self._open(lane)
        try:
            yield drafter
        except BaseException:
            drafter.close()
            raise
        self._keep(lane, drafter)

    def drop(self, stream: str) -> None:
        """Close the drafter of a stream that has ended."""
        with self._lock:
            found = self._idle.pop(stream, None)
        if found:
            found[1].close()

    def _take(self, lane: Lane) -> Drafter | None:
        with self._lock:
            found = self._idle.pop(lane.stream, None)
        if found and found[0] != lane:
            found[1].close()
            return None
        return found[1] if found else None

    def _keep(self, lane: Lane, drafter: Drafter) -> None:
        """Keep a drafter as the youngest, and close those that are too many."""
        with self._lock:
            parted = [self._idle.pop(lane.stream)] if lane.stream in self._idle else []
            self._idle[lane.stream] = (lane, drafter)
            while len(self._idle) > self._most:
                parted.append(self._idle.popitem(last=False)[1])
        for _, one in parted:
            one.close()
