"""The cues of a stream, on their way to every sink."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from alignatt4llm.errors import Tell
from alignatt4llm.events import Event, Notice
from alignatt4llm.outputs.captions import LiveCues
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.sinks.base import Next, Origin
from alignatt4llm.outputs.sinks.delivery import Delivery, Patience
from alignatt4llm.outputs.sinks.kept import Kept
from alignatt4llm.outputs.sinks.table import Destination
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.subtitles import directed


class CaptionSinks:
    """An output that goes to sinks, none of which it ever waits for while the stream runs.

    Parameters
    ----------
    destinations
        The sinks.
    style
        Languages and rules of the cues.
    origin
        The stream.
    folder
        Where files of what was not delivered are kept.
    tell
        Is told, when the stream has ended, what was not delivered.
    following
        Where sinks go on that were fed before.
    patience
        How long is waited for sinks.

    Attributes
    ----------
    notices
        What went wrong, and right again, while the stream runs.

    Raises
    ------
    AlignattError
        If a package is missing.
    """

    def __init__(
        self,
        destinations: Iterable[Destination],
        style: Style,
        origin: Origin,
        folder: Path,
        tell: Tell,
        following: Mapping[Destination, Next] | None = None,
        patience: Patience = Patience(),
    ) -> None:
        self.notices: list[Notice] = []
        self._cues, self._style, self._tell = LiveCues(style), style, tell
        self._number = 0
        self._ended = False
        self._deliveries = {
            destination: Delivery(
                str(destination),
                destination.open(origin, (following or {}).get(destination, Next())),
                Kept(_kept_path(folder, origin, number, destination), destination, origin),
                self._say,
                patience,
            )
            for number, destination in enumerate(destinations, 1)
        }

    def write(self, event: Event) -> None:
        """Hand on the cues that are known now."""
        if not self._deliveries:
            return
        for cue in self._cues.add(event):
            self._put(cue)
        for delivery in self._deliveries.values():
            delivery.reach(self._cues.settled)

    def rest(self) -> None:
        """Hand on what is left; more may come after a break."""
        for cue in self._cues.end():
            self._put(cue)

    def finish(self) -> None:
        """Hand on what is left; nothing more is to come."""
        self._ended = True
        self.rest()
        for delivery in self._deliveries.values():
            delivery.finish(self._cues.clock)

    def wait(self) -> None:
        """Wait, within a bound, until everything is delivered."""
        for delivery in self._deliveries.values():
            delivery.wait()

    def settle(self) -> None:
        """Keep what is not delivered, and say so."""
        for delivery in self._deliveries.values():
            delivery.settle()

    def close(self) -> None:
        """Hand on what is left, and see that it is delivered or kept."""
        self.finish()
        try:
            self.wait()
        finally:  # also when nobody wants to wait any longer
            self.settle()

    @property
    def following(self) -> dict[Destination, Next]:
        """Where each sink goes on with another stream: behind every number that may be taken."""
        return {where: each.following.behind() for where, each in self._deliveries.items()}

    def _put(self, cue: Cue) -> None:
        self._number += 1
        for delivery in self._deliveries.values():
            delivery.put(self._number, directed(cue, self._style))

    def _say(self, sentence: str) -> None:
        if self._ended:
            self._tell(sentence)
        else:
            self.notices.append(Notice("captions", sentence, self._cues.clock / 1000))


def _kept_path(folder: Path, origin: Origin, number: int, destination: Destination) -> Path:
    """Return where the cues of a stream are kept that one of its sinks did not take."""
    day = time.strftime("%Y-%m-%dT%H-%M-%S", time.localtime(origin.began))
    stream = f"{day}-{origin.session[:8]}-{origin.pair.target.code}"
    return folder / f"{stream}-{number}-{destination.kind}.jsonl"
