"""The captions of every target of a stream, each on its way to its own sinks."""

from collections.abc import Callable

from alignatt4llm.events import ENDED, Event, Notice, Source, TargetState
from alignatt4llm.outputs.only import Only
from alignatt4llm.outputs.sinks.output import CaptionSinks


class EachTarget:
    """An output of a whole stream.

    A target that ends and comes again goes on where it was; its sinks hear of the time meanwhile.

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
        self._running: dict[str, Only] = {}
        self._sinks: dict[str, CaptionSinks] = {}

    @property
    def notices(self) -> list[Notice]:
        """What went wrong, and right again, while the stream runs."""
        return [notice for sinks in tuple(self._sinks.values()) for notice in sinks.notices]

    def write(self, event: Event) -> None:
        """Hand an event to the targets that it concerns."""
        to = "" if isinstance(event, Notice) else event.to
        if isinstance(event, TargetState) and event.state == ENDED:
            self._end(to)
            return
        if to and to not in self._running:
            self._begin(to)
        for code, sinks in self._sinks.items():
            only = self._running.get(code)
            if own := only.take(event) if only else _clock(event):
                sinks.write(own)

    def close(self) -> None:
        """Hand on what is left of every target, and wait within a bound until it is delivered."""
        for sinks in self._sinks.values():
            sinks.finish()
        try:
            for sinks in self._sinks.values():
                sinks.wait()
        finally:  # also when nobody wants to wait any longer
            for sinks in self._sinks.values():
                sinks.settle()
                self._closed(sinks)

    def _begin(self, to: str) -> None:
        if to not in self._sinks:
            self._sinks[to] = self._opened(to)
        self._running[to] = Only(to)

    def _end(self, to: str) -> None:
        if self._running.pop(to, None):
            self._sinks[to].rest()


def _clock(event: Event) -> Source | None:
    """Return how far the stream is, for a target of which nothing is said."""
    return Source(0, (), (), event.audio_s) if isinstance(event, Source) else None
