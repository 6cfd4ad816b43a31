"""What a client of the audio door may say, and when: `docs/protocol.md` in code."""

from dataclasses import dataclass
from enum import Enum

from alignatt4llm.errors import Tell, UsageError, silent
from alignatt4llm.serve.errors import BadMessage, BadState, Unsupported
from alignatt4llm.serve.fields import Fields
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Language, Pair, language

VERSION = 1
FORMATS = ("s16le", "container")
"""Raw 16-bit little-endian 16 kHz mono samples, or any container that FFmpeg can stream."""


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a session; ``told`` is what one should know about its languages."""

    pair: Pair
    latency: str
    audio: str
    trace: bool
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with a session: ``seq`` is the last one received, ``position`` the first byte kept."""

    session: str
    key: str
    seq: int
    position: int
    trace: bool


@dataclass(frozen=True, slots=True)
class Audio:
    """The next bytes of the audio."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Finish:
    """There is no more audio."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered with a pong that carries the same ``id``."""

    id: int


@dataclass(frozen=True, slots=True)
class Defaults:
    """The languages that are meant where a client names none.

    Attributes
    ----------
    source
        What is spoken.
    target
        What is translated into; empty where clients have to say it.
    """

    source: str = "en"
    target: str = ""


Message = Start | Resume | Audio | Finish | Ping


def parse(text: str, defaults: Defaults = Defaults()) -> Message:
    """Read a text message.

    Parameters
    ----------
    text
        The message.
    defaults
        The languages of a start that names none.

    Raises
    ------
    BadMessage
        If it is none of the protocol's.
    Unsupported
        If it names an unknown language.
    """
    fields = Fields.parse(text)
    kind = fields.choice("type", ("start", "resume", "end", "ping"))
    if kind == "start":
        fields.only(("type", "version", "from", "to", "latency", "audio", "trace"))
        _check_version(fields)
        told: list[str] = []
        source = fields.text("from", defaults.source)
        target = fields.text("to", defaults.target or None)
        return Start(
            pair_of(source, target, told.append),
            fields.choice("latency", LATENCIES, "medium"),
            fields.choice("audio", FORMATS, "s16le"),
            fields.flag("trace", False),
            tuple(told),
        )
    if kind == "resume":
        fields.only(("type", "version", "session", "key", "seq", "position", "trace"))
        _check_version(fields)
        return Resume(
            fields.text("session", longest=64),
            fields.text("key", longest=64),
            fields.integer("seq"),
            fields.integer("position", 0),
            fields.flag("trace", False),
        )
    if kind == "ping":
        fields.only(("type", "id"))
        return Ping(fields.integer("id", 0))
    fields.only(("type",))
    return Finish()


def pair_of(source: str, target: str, tell: Tell = silent) -> Pair:
    """Return a pair of known languages, or raise Unsupported; ``tell`` is as for `language`."""
    return Pair(language_of(source, tell=tell), language_of(target, tell=tell))


def language_of(name: str, param: str | None = None, tell: Tell = silent) -> Language:
    """Return a known language, or raise Unsupported; ``tell`` is as for `language`."""
    try:
        return language(name[:40], tell)
    except UsageError as problem:
        raise Unsupported(str(problem), param) from problem


class State(Enum):
    """Where a conversation stands."""

    NEW = "new"
    LIVE = "live"
    ENDING = "ending"


_NEXT: dict[tuple[State, type[Message]], State] = {
    (State.NEW, Start): State.LIVE,
    (State.NEW, Resume): State.LIVE,
    (State.NEW, Ping): State.NEW,
    (State.LIVE, Audio): State.LIVE,
    (State.LIVE, Finish): State.ENDING,
    (State.LIVE, Ping): State.LIVE,
    (State.ENDING, Ping): State.ENDING,
}


class Conversation:
    """The state machine of one connection; it knows the protocol and nothing else."""

    def __init__(self) -> None:
        self.state = State.NEW

    def receive(self, message: Message) -> None:
        """Move on, or raise BadState and stay."""
        following = _NEXT.get((self.state, type(message)))
        if following is None:
            name = type(message).__name__.lower()
            expected = sorted(kind.__name__.lower() for at, kind in _NEXT if at is self.state)
            raise BadState(
                f"'{name}' is not expected while {self.state.value}; "
                f"expected: {', '.join(expected)}."
            )
        self.state = following


def _check_version(fields: Fields) -> None:
    if fields.integer("version") != VERSION:
        raise BadMessage(f"This server speaks version {VERSION} of the protocol.")
