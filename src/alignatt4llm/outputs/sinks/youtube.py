"""Captions of a live stream on YouTube, over HTTP.

https://support.google.com/youtube/answer/6077032 tells the protocol: a POST has lines with a time
in UTC and lines with text; ``seq`` rises by one from post to post and stays for a repeated one.
"""

import re
from datetime import UTC, datetime

from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.sinks.base import Next, Origin, Sink
from alignatt4llm.outputs.sinks.http import Poster, parameter, with_query
from alignatt4llm.outputs.syntax import WORD_JOINER

HEADERS = {"content-type": "text/plain; charset=utf-8"}
_SYNTAX = re.compile(r"<(?=\S)|^(?=\d{4}-\d\d-\d\dT)")
"""What YouTube could take for a tag, or for the time of another caption."""


class YouTube(Sink):
    """Posts a cue at a time.

    Parameters
    ----------
    address
        The caption ingestion URL that YouTube gives; a ``seq`` in it is the first number.
    origin
        Says when the stream began.
    following
        The first number, if it is known.
    """

    def __init__(self, address: str, origin: Origin, following: Next = Next()) -> None:
        given = parameter(address, "seq") or ""
        self.position = following.number or (int(given) if given.isdecimal() else 1)
        self._address, self._began = address, origin.began
        self._poster = Poster(patient=True)

    def send(self, number: int, cue: Cue) -> None:
        """Post a cue."""
        lines = (*cue.lines, *cue.below)
        text = "<br>".join(_SYNTAX.sub(rf"\g<0>{WORD_JOINER}", line) for line in lines)
        content = f"{stamp(self._began + cue.start / 1000)}\n{text}\n"
        self._poster.post(with_query(self._address, seq=self.position), content, HEADERS)
        self.position += 1

    def close(self) -> None:
        """Close the connection."""
        self._poster.close()


def stamp(seconds: float) -> str:
    """Return a time in seconds since 1970 as YouTube wants it: in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(round(seconds * 1000) / 1000, UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
