"""The table of sinks: where captions can go.

To add one, write a file beside this one with a `Sink`, and a line of `SINKS`. Under its name it is
a value of ``--caption-sink`` (``name:ADDRESS``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alignatt4llm.errors import UsageError
from alignatt4llm.files.apart import check_folder
from alignatt4llm.outputs.sinks import hls
from alignatt4llm.outputs.sinks.base import Next, Origin, Sink
from alignatt4llm.outputs.sinks.http import check_url, shown
from alignatt4llm.outputs.sinks.webhook import Webhook
from alignatt4llm.outputs.sinks.youtube import YouTube
from alignatt4llm.outputs.sinks.zoom import Zoom
from alignatt4llm.text.languages import Pair, language


@dataclass(frozen=True, slots=True)
class SinkKind:
    """One kind of sink.

    Attributes
    ----------
    open
        Makes a sink of an address, for a stream.
    takes
        What an address is.
    check
        Raises UsageError for what is none, given the name of the option and it.
    shown
        As much of an address as may be read by anybody.
    files
        The files that are written for an address, or the first of them.
    """

    open: Callable[[str, Origin, Next], Sink]
    takes: str
    check: Callable[[str, str], None]
    shown: Callable[[str], str]
    files: Callable[[str], list[Path]] = lambda _: []


def _check_folder(name: str, address: str) -> None:
    if not address:
        raise UsageError(f"{name}: name a folder.")
    check_folder(name, hls.place(address)[0])


SINKS: dict[str, SinkKind] = {
    "youtube": SinkKind(YouTube, "URL", check_url, shown),
    "zoom": SinkKind(Zoom, "URL", check_url, shown),
    "hls": SinkKind(hls.Segments, "FOLDER", _check_folder, str, hls.files),
    "webhook": SinkKind(Webhook, "URL", check_url, shown),
}
"""Every kind of sink, under the name that stands before its address."""

SPELLINGS = ", ".join(f"{name}:{kind.takes}" for name, kind in SINKS.items())


@dataclass(frozen=True, slots=True)
class Destination:
    """A sink that is asked for.

    Attributes
    ----------
    kind
        Its name in the table.
    address
        What the kind takes; it may hold a secret and is not shown.
    to
        The only language it is for; empty for any.
    """

    kind: str
    address: str
    to: str = ""

    @classmethod
    def parse(cls, text: str) -> "Destination":
        """Read ``kind:address``, or ``language=kind:address``.

        Raises
        ------
        UsageError
            If there is no such kind or language, or the address is none.
        """
        name, colon, address = text.partition(":")
        to, _, name = name.rpartition("=")
        if not colon or name not in SINKS:
            raise UsageError(f"--caption-sink takes {SPELLINGS}.")
        SINKS[name].check(f"--caption-sink {name}", address)
        return cls(name, address, language(to).code if to else "")

    def __str__(self) -> str:
        return f"{self.kind}:{SINKS[self.kind].shown(self.address)}"

    def __repr__(self) -> str:
        return f"<{self}>"

    @property
    def files(self) -> list[Path]:
        """The files that are written, or the first of them."""
        return SINKS[self.kind].files(self.address)

    def takes(self, pair: Pair) -> bool:
        """Whether it is for the captions of such a translation."""
        return self.to in ("", pair.target.code)

    def of(self, origin: Origin) -> "Destination":
        """Return the sink for one stream."""
        return Destination(self.kind, origin.filled(self.address))

    def open(self, origin: Origin, following: Next = Next()) -> Sink:
        """Make the sink; raises AlignattError if a package is missing."""
        return SINKS[self.kind].open(self.address, origin, following)
