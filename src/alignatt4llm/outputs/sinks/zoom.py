"""Captions of a meeting or webinar on Zoom, over HTTP.

https://support.zoom.us/hc/en-us/articles/115002212983 tells the protocol: a POST has the text
alone; ``seq`` rises by one from post to post and stays for a repeated one, ``lang`` names the
language, and ``/closedcaption/seq`` answers with the number of the last post that was taken.
"""

from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from langcodes import Language as Tag

from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.sinks.base import Again, Next, Origin, Sink
from alignatt4llm.outputs.sinks.http import Poster, parameter, with_query
from alignatt4llm.text.languages import Language

HEADERS = {"content-type": "text/plain; charset=utf-8"}
_NOTHING_THERE = (404, 405, 501)
"""What something else than Zoom says that counts for itself."""
_OTHERWISE = {"ja": "jp-JP"}
"""What Zoom calls otherwise than everybody else."""


class Zoom(Sink):
    """Posts a cue at a time, from the number on at which the meeting stands.

    Parameters
    ----------
    address
        The API token that Zoom gives, a whole URL; a ``lang`` in it is kept.
    origin
        Says the language.
    following
        Tells whether the first cue has been taken already: it has if the meeting stands further.
    """

    def __init__(self, address: str, origin: Origin, following: Next = Next()) -> None:
        self._address, self._following = address, following
        self._language = parameter(address, "lang") or tag(origin.pair.target)
        self._asked = self._taken = False
        self._poster = Poster(patient=True)

    def send(self, number: int, cue: Cue) -> None:
        """Post a cue."""
        if not self._asked:
            self._ask()
        if self._taken:
            self._taken = False
            return
        address = with_query(self._address, seq=self.position, lang=self._language)
        self._poster.post(address, "\n".join((*cue.lines, *cue.below, "")), HEADERS)
        self.position += 1

    def close(self) -> None:
        """Close the connection."""
        self._poster.close()

    def _ask(self) -> None:
        """Ask where the meeting stands."""
        last, known = 0, self._following
        try:
            with suppress(ValueError):
                last = int(self._poster.get(_counter(self._address)))
        except Again as why:
            if why.code not in _NOTHING_THERE:
                raise
        self._taken = known.tried and last >= (known.number or 1)
        self.position, self._asked = last + 1, True


def tag(language: Language) -> str:
    """Return a language with its most likely country, as Zoom wants it."""
    likely = Tag.get(language.code).maximize()
    return _OTHERWISE.get(language.code, f"{language.code}-{likely.territory}")


def _counter(address: str) -> str:
    """Return the address that tells the number of the last post."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/seq", fragment=""))
