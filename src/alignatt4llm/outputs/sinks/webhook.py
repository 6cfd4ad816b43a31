"""A cue as JSON, for programs of one's own."""

from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.sinks.base import Next, Origin, Sink
from alignatt4llm.outputs.sinks.http import Poster
from alignatt4llm.text.printable import json_line


class Webhook(Sink):
    """Posts a cue at a time, under a key by which one that is repeated is known.

    Parameters
    ----------
    address
        Where to.
    origin
        What is said of the stream with each cue.
    """

    def __init__(self, address: str, origin: Origin, following: Next = Next()) -> None:
        self._address, self._origin = address, origin
        self._poster = Poster(patient=False)

    def send(self, number: int, cue: Cue) -> None:
        """Post a cue."""
        origin = self._origin
        content = {
            "session": origin.session,
            "number": number,
            "from": origin.pair.source.code,
            "to": origin.pair.target.code,
            "start": cue.start / 1000,
            "end": cue.end / 1000,
            "lines": cue.lines,
            "source": cue.below,
        }
        headers = {
            "content-type": "application/json",
            "idempotency-key": f"{origin.session}-{origin.pair.target.code}-{number}",
        }
        self._poster.post(self._address, json_line(content), headers)
        self.position = number + 1

    def close(self) -> None:
        """Close the connection."""
        self._poster.close()
