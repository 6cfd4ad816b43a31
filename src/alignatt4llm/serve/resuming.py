"""Who may resume a session, and where it then goes on."""

from dataclasses import dataclass
from typing import Any

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.errors import TooLong, WrongVersion
from alignatt4llm.serve.keys import check_key
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.messages import Resume
from alignatt4llm.serve.pasts import Pasts


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that is over and only to be read."""

    broadcast: Broadcast
    header: dict[str, Any]
    codes: tuple[str, ...]


def check_wish(header: dict[str, Any], wish: Resume, limits: Limits) -> None:
    """Raise UnknownSession, WrongVersion or TooLong if a session is not resumed like this."""
    check_key(header, wish.key)
    if wish.version != header["version"]:
        begun = f"This session was begun with version {header['version']} of the protocol"
        raise WrongVersion(f"{begun}; resume it with that.")
    if header["audio"] == "s16le" and wish.position > 2 * limits.session * SAMPLE_RATE:
        raise TooLong("'position' lies beyond the longest session.")


def start_of(header: dict[str, Any], past: Pasts, wish: Resume, limits: Limits) -> int:
    """Return the sample with which a session is continued; raise TooLong if there is none."""
    raw = header["audio"] == "s16le"
    start = max(past.settled, (wish.position + 1) // 2) if raw else past.settled
    if start > limits.session * SAMPLE_RATE:
        raise TooLong("This session is longer than sessions may be.")
    return start
