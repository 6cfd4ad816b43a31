"""What captions are handed to: a sink, one cue after the other, in order."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from alignatt4llm.outputs.cues import Cue
from alignatt4llm.text.languages import Pair

SESSION = "{session}"
"""Stands in an address for the name of a stream."""
TO = "{to}"
"""Stands in an address for the code of the language that is translated into."""
Numbered = tuple[int, Cue]
"""A cue and its number in its stream, from 1."""


class Again(Exception):
    """A sink did not take what it was given, or it is not known whether it did.

    Parameters
    ----------
    reason
        Why, in a few words without any secret.
    after
        Seconds after which the other side wants to be asked again, if it said so.
    code
        The status of HTTP, if there was one.
    """

    def __init__(self, reason: str, after: float | None = None, code: int | None = None) -> None:
        super().__init__(reason)
        self.after, self.code = after, code


class Refused(Exception):
    """A sink will not take a cue, however often it is given; says why without any secret."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The stream that cues come from.

    Attributes
    ----------
    session
        Its name, which no other stream has.
    pair
        The languages.
    began
        When it began, in seconds since 1970 (UTC).
    """

    session: str
    pair: Pair
    began: float

    def filled(self, address: str) -> str:
        """Return an address with ``{session}``, ``{from}`` and ``{to}`` filled in."""
        values = {
            SESSION: self.session,
            "{from}": self.pair.source.code,
            TO: self.pair.target.code,
        }
        for name, value in values.items():
            address = address.replace(name, value)
        return address


@dataclass(frozen=True, slots=True)
class Next:
    """Where a sink goes on that others have fed before.

    Attributes
    ----------
    number
        Of the next post; None if the sink should know.
    tried
        Whether the first cue may have been taken under that number already.
    """

    number: int | None = None
    tried: bool = False

    def behind(self) -> "Next":
        """Return where it goes on with another cue, since the first may have been taken."""
        return Next(self.number + 1) if self.tried and self.number is not None else self


class Sink(ABC):
    """Takes the cues of one stream; one thread uses it.

    What raises `Again` may be called again with the same; the other side will not have it twice.

    Attributes
    ----------
    position
        The number under which the other side gets the next cue.
    timeline
        Whether it wants to know how far the stream is, and its end.
    """

    position = 1
    timeline = False

    @property
    def held(self) -> Sequence[Numbered]:
        """The cues that it took and has not handed on yet, as it was given them; for any thread."""
        return ()

    @abstractmethod
    def send(self, number: int, cue: Cue) -> None:
        """Hand over a cue.

        Parameters
        ----------
        number
            Of the cue in its stream, from 1.
        cue
            What shows, and when.

        Raises
        ------
        Again, Refused
            If it was not taken.
        """

    def reach(self, settled: int) -> None:  # noqa: B027
        """Note that no cue is to come that begins before so many milliseconds; raises Again."""

    def finish(self, end: int) -> None:  # noqa: B027
        """Note that no cue is to come, and when the stream ended, in milliseconds; raises Again."""

    def close(self) -> None:  # noqa: B027
        """Let go of what it holds."""
