"""The captions of every target of a stream, each on its way to its own sinks."""

from collections.abc import Callable

from alignatt4llm.events import ENDED, Event, Notice, TargetState
from alignatt4llm.outputs.only import Only
from alignatt4llm.outputs.sinks.output import CaptionSinks


class EachTarget:
    """An output of a whole stream.

    Parameters
    ----------
    opened
        Opens the sinks of a target, given its code, when there is something of it first.
    closed
        Is told of them when all is delivered or kept.
    """

    def __init__(
        self,
        opened: Callable[[str], CaptionSinks],
        closed: Callable[[CaptionSinks], None] = lambda sinks: None,
    ) -> None:
        self._opened, self._closed = opened, closed
        self._running: dict[str, tuple[Only, CaptionSinks]] = {}
        self._all: list[CaptionSinks] = []

    @property
    def notices(self) -> list[Notice]:
        """What went wrong, and right again, while the stream runs."""
        return [notice for sinks in self._all for notice in sinks.notices]

    def write(self, event: Event) -> None:
        """Hand an event to the targets that it concerns."""
        to = "" if isinstance(event, Notice) else event.to
        if isinstance(event, TargetState) and event.state == ENDED:
            self._end(to)
            return
        if to and to not in self._running:
            self._begin(to)
        for only, sinks in self._running.values():
            if own := only.take(event):
                sinks.write(own)

    def close(self) -> None:
        """Hand on what is left of every target, and wait within a bound until it is delivered."""
        for to in tuple(self._running):
            self._end(to)
        try:
            for sinks in self._all:
                sinks.wait()
        finally:  # also when nobody wants to wait any longer
            for sinks in self._all:
                sinks.settle()
                self._closed(sinks)

    def _begin(self, to: str) -> None:
        sinks = self._opened(to)
        self._running[to] = Only(to), sinks
        self._all.append(sinks)

    def _end(self, to: str) -> None:
        if to in self._running:
            self._running.pop(to)[1].finish()
