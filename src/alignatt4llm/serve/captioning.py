"""Where the captions of a server's sessions go, as the one who runs the server says."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock

from alignatt4llm.events import Notice
from alignatt4llm.outputs.sinks.base import SESSION, Next, Origin
from alignatt4llm.outputs.sinks.delivery import Patience
from alignatt4llm.outputs.sinks.output import CaptionSinks
from alignatt4llm.outputs.sinks.table import Destination
from alignatt4llm.outputs.style import Style
from alignatt4llm.serve.journal import remove_older

_PATIENCE = Patience(whole=15.0)
"""Less than a server that is stopped waits for its sessions."""

log = logging.getLogger(__name__)


class Captioning:
    """Opens the sinks of sessions; a sink takes the captions of one session at a time.

    Parameters
    ----------
    destinations
        The sinks; with ``{session}`` in its address each session has one of its own.
    folder
        Where files of what was not delivered are kept.
    patience
        How long is waited for sinks.
    """

    def __init__(
        self,
        destinations: tuple[Destination, ...] = (),
        folder: Path = Path(),
        patience: Patience = _PATIENCE,
    ) -> None:
        self._asked, self._folder, self._patience = destinations, folder, patience
        self._lock = Lock()
        self._held: set[Destination] = set()
        self._following: dict[Destination, Next] = {}

    @property
    def busy(self) -> bool:
        """Whether captions are still on their way."""
        return bool(self._held)

    @contextmanager
    def sinks(self, origin: Origin) -> Iterator[CaptionSinks]:
        """Hold the sinks of a session that no other session has.

        What is left is delivered when the session ends, or kept.
        """
        own = {each.of(origin): each for each in self._asked if each.takes(origin.pair)}
        with self._lock:
            free = [each for each in own if each not in self._held]
            self._held.update(free)
        try:
            with closing(self._opened(free, origin)) as sinks:
                sinks.notices += [_taken(each, origin) for each in own if each not in free]
                yield sinks
            stay = {each for each, asked in own.items() if SESSION not in asked.address}
            with self._lock:
                self._following |= {at: n for at, n in sinks.following.items() if at in stay}
        finally:
            with self._lock:
                self._held.difference_update(free)

    def tidy(self, seconds: float) -> None:
        """Delete the files of what was not delivered that have not changed for so long."""
        remove_older(self._folder, seconds)

    def _opened(self, free: list[Destination], origin: Origin) -> CaptionSinks:
        style = Style.of(origin.pair)
        following = dict(self._following)
        return CaptionSinks(
            free, style, origin, self._folder, log.warning, following, self._patience
        )


def _taken(destination: Destination, origin: Origin) -> Notice:
    return Notice(
        "captions",
        f"{destination} has captions of another session or language; those into "
        f"{origin.pair.target.name} of this session do not go there.",
    )
