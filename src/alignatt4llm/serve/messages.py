"""What a client of the audio door may say, and when: `docs/protocol.md` in code."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from alignatt4llm.errors import Tell, UsageError, silent
from alignatt4llm.serve.errors import BadMessage, BadState, Unsupported
from alignatt4llm.serve.fields import Fields
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Language, Pair, language, targets

VERSIONS = 1, 2
"""Of the protocol; with 1, a session has one target and is told nothing about it."""
FORMATS = ("s16le", "container")
"""Raw 16-bit little-endian 16 kHz mono samples, or any container that FFmpeg can stream."""


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a session; ``told`` is what one should know about its languages."""

    version: int
    pairs: tuple[Pair, ...]
    latency: str
    audio: str
    trace: bool
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with a session: ``seq`` is the last one received, ``position`` the first byte kept."""

    version: int
    session: str
    key: str
    seq: int
    position: int
    trace: bool


@dataclass(frozen=True, slots=True)
class Add:
    """Translate into another language as well, from the next utterance or from the start on."""

    to: str
    from_start: bool


@dataclass(frozen=True, slots=True)
class Drop:
    """End one of the languages."""

    to: str


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
    targets
        What is translated into; empty where clients have to say it.
    """

    source: str = "en"
    targets: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """The first of the targets, for those who take one only; empty if there is none."""
        return next(iter(self.targets), "")


Message = Start | Resume | Audio | Add | Drop | Finish | Ping
_KINDS = ("start", "resume", "end", "ping"), ("start", "resume", "add", "drop", "end", "ping")
"""What messages there are, in each version."""


def parse(text: str, defaults: Defaults = Defaults(), version: int = VERSIONS[-1]) -> Message:
    """Read a text message.

    Parameters
    ----------
    text
        The message.
    defaults
        The languages of a start that names none.
    version
        Of the protocol, once it is known.

    Raises
    ------
    BadMessage
        If it is none of the protocol's.
    Unsupported
        If it names an unknown language.
    """
    fields = Fields.parse(text)
    kind = fields.choice("type", _KINDS[version - 1])
    if kind == "start":
        fields.only(("type", "version", "from", "to", "latency", "audio", "trace"))
        version, told = _version(fields), list[str]()
        source = fields.text("from", defaults.source)
        if version == 1:
            target = fields.text("to", defaults.target or None)
            pairs: tuple[Pair, ...] = (pair_of(source, target, told.append),)
        else:
            names = fields.texts("to", list(defaults.targets) or None)
            pairs = pairs_of(source, names, told.append)
        return Start(
            version,
            pairs,
            fields.choice("latency", LATENCIES, "medium"),
            fields.choice("audio", FORMATS, "s16le"),
            fields.flag("trace", False),
            tuple(told),
        )
    if kind == "resume":
        fields.only(("type", "version", "session", "key", "seq", "position", "trace"))
        return Resume(
            _version(fields),
            fields.text("session", longest=64),
            fields.text("key", longest=64),
            fields.integer("seq"),
            fields.integer("position", 0),
            fields.flag("trace", False),
        )
    if kind == "add":
        fields.only(("type", "to", "from_start"))
        return Add(fields.text("to"), fields.flag("from_start", False))
    if kind == "drop":
        fields.only(("type", "to"))
        return Drop(fields.text("to"))
    if kind == "ping":
        fields.only(("type", "id"))
        return Ping(fields.integer("id", 0))
    fields.only(("type",))
    return Finish()


def pairs_of(source: str, names: Sequence[str], tell: Tell = silent) -> tuple[Pair, ...]:
    """Return the directions of one stream, or raise Unsupported; ``tell`` is as for `language`."""
    spoken = language_of(source, tell=tell)
    try:
        into = targets([name[:80] for name in names], spoken, tell)
    except UsageError as problem:
        raise Unsupported(str(problem)) from problem
    return tuple(Pair(spoken, target) for target in into)


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
    (State.LIVE, Add): State.LIVE,
    (State.LIVE, Drop): State.LIVE,
    (State.ENDING, Ping): State.ENDING,
}


class Conversation:
    """The state machine of one connection; it knows the protocol and nothing else.

    Attributes
    ----------
    state
        Where it stands.
    version
        Of the protocol; the newest until the client has said one.
    """

    def __init__(self) -> None:
        self.state, self.version = State.NEW, VERSIONS[-1]

    def receive(self, message: Message) -> None:
        """Move on, or raise BadState and stay."""
        following = _NEXT.get((self.state, type(message)))
        if following is None:
            name = type(message).__name__.lower()
            kinds = (kind.__name__.lower() for at, kind in _NEXT if at is self.state)
            later = ("add", "drop") if self.version == 1 else ()
            expected = sorted(kind for kind in kinds if kind not in later)
            raise BadState(
                f"'{name}' is not expected while {self.state.value}; "
                f"expected: {', '.join(expected)}."
            )
        self.state = following
        if isinstance(message, Start | Resume):
            self.version = message.version


def _version(fields: Fields) -> int:
    if (version := fields.integer("version")) not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise BadMessage(f"This server speaks versions {known} of the protocol.")
    return version
