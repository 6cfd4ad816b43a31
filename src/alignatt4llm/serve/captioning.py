"""Where the captions of a server's sessions go, as the one who runs the server says."""

import logging
from pathlib import Path
from threading import Lock

from alignatt4llm.events import Notice
from alignatt4llm.outputs.sinks.base import Next, Origin
from alignatt4llm.outputs.sinks.delivery import Patience
from alignatt4llm.outputs.sinks.each import EachTarget
from alignatt4llm.outputs.sinks.output import CaptionSinks
from alignatt4llm.outputs.sinks.table import Destination
from alignatt4llm.outputs.style import Style
from alignatt4llm.serve.journals.folder import remove_older
from alignatt4llm.text.languages import LANGUAGES, Language, Pair

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

    def stream(self, session: str, source: Language, began: float) -> EachTarget:
        """Return where the captions of a session go, whatever it is translated into.

        Each of its targets holds the sinks that nobody else has when it begins, until the session
        is closed.

        Parameters
        ----------
        session
            Its name.
        source
            What is spoken.
        began
            When it began, in seconds since 1970.
        """

        def opened(to: str) -> CaptionSinks:
            return self._open(Origin(session, Pair(source, LANGUAGES[to]), began))

        return EachTarget(opened, lambda sinks: self._let_go(sinks, session))

    def _open(self, origin: Origin) -> CaptionSinks:
        """Open the sinks that nobody holds."""
        own = [each.of(origin) for each in self._asked if each.takes(origin.pair)]
        with self._lock:
            free = [each for each in own if each not in self._held]
            self._held.update(free)
            following = dict(self._following)
        style = Style.of(origin.pair)
        sinks = CaptionSinks(
            free, style, origin, self._folder, log.warning, following, self._patience
        )
        sinks.notices += [_taken(each, origin) for each in own if each not in free]
        return sinks

    def _let_go(self, sinks: CaptionSinks, session: str) -> None:
        """Give sinks back; those that outlive the session are numbered on."""
        found = sinks.following
        with self._lock:
            self._following |= {at: n for at, n in found.items() if session not in at.address}
            self._held.difference_update(found)

    def tidy(self, seconds: float) -> None:
        """Delete the files of what was not delivered that have not changed for so long."""
        remove_older(self._folder, seconds)


def _taken(destination: Destination, origin: Origin) -> Notice:
    return Notice(
        "captions",
        f"{destination} has captions of another session or language; those into "
        f"{origin.pair.target.name} of this session do not go there.",
    )
