"""What a cluster is asked to run, from the command line or a Serve config file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, get_type_hints

from platformdirs import user_state_path

from alignatt4llm.cluster.arguments import check_kinds, whole_path
from alignatt4llm.cluster.drafts import Models
from alignatt4llm.errors import UsageError
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import load_head_set
from alignatt4llm.policy.alignatt import AlignAttSettings
from alignatt4llm.policy.table import make_policy
from alignatt4llm.prompts.forms import FORMS
from alignatt4llm.recognizers.loading import require_known
from alignatt4llm.serve.access import check_token
from alignatt4llm.serve.journals.stores import is_address, store_at
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.messages import Defaults
from alignatt4llm.serve.origins import Origins
from alignatt4llm.settings.presets import PRESETS, preset
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import LANGUAGES, Pair, language
from alignatt4llm.translators.table import AUTO, find_engine
from alignatt4llm.weights.adapters import find_adapter

TOKEN = "ALIGNATT_TOKEN"
"""Environment variable with what clients must show; it is read where the application is built."""
OPEN = "without_token"
"""The argument of a config file that lets in everybody where there is none."""

Span = tuple[int, int]
"""The least and the most replicas; equal where their number is fixed."""


def own_transcripts() -> Path:
    """Return where transcripts are kept unless another place is named."""
    return user_state_path("alignatt4llm") / "transcripts"


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """One application: its models, and how many replicas of what size.

    Attributes
    ----------
    system
        Which models.
    transcripts
        Where transcripts are kept: a folder or the address of a Redis database that all session
        replicas reach.
    places
        Sessions at once in the whole cluster; each language of one counts.
    session_replicas, engine_replicas
        How many there are.
    streams
        Streams for which an engine replica keeps what it has read, and drafts at once.
    session_cpus, engine_cpus, engine_gpus
        What Ray sets aside for a replica.
    origins
        Other sites whose pages may use the servers.
    defaults
        The languages that are meant where a client names none.
    hours, keep_days
        Longest session, and how long transcripts are kept.
    """

    system: System
    transcripts: Path | str = field(default_factory=own_transcripts)
    places: int = 8
    session_replicas: Span = (2, 2)
    engine_replicas: Span = (1, 1)
    streams: int = 8
    session_cpus: float = 0.5
    engine_cpus: float = 1.0
    engine_gpus: float = 0.0
    origins: tuple[str, ...] = ()
    defaults: Defaults = Defaults()
    hours: float = 6.0
    keep_days: float = 7.0

    def __post_init__(self) -> None:
        for name in ("places", "streams", "hours", "keep_days"):
            if not getattr(self, name) > 0:
                raise UsageError(f"'{name}' is {getattr(self, name)}; it must be above 0.")
        for name in ("session_cpus", "engine_cpus", "engine_gpus"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"'{name}' is {getattr(self, name)}; it must be 0 or more.")
        if self.engine_gpus > 1 and self.engine_gpus % 1:
            raise UsageError(
                f"'engine_gpus' is {self.engine_gpus}; it must be a share of one, or whole."
            )
        if self.system.model == AUTO and find_engine(self.system.engine, AUTO).weights:
            raise UsageError("Name a model: 'auto' may be another one on every machine.")
        check_token(token())
        Origins(self.origins, guarded=bool(token()))

    @property
    def limits(self) -> Limits:
        """What clients are allowed."""
        return Limits(sessions=self.places, session=self.hours * 3600, keep=self.keep_days * 86400)

    @property
    def models(self) -> Models:
        """What engine replicas load."""
        source = language(self.defaults.source).code
        into = (language(to).code for to in self.defaults.targets)
        return self.system, tuple(f"{source}-{to}" for to in into)

    @property
    def cpus(self) -> float:
        """CPUs that the least replicas need."""
        sessions, engines = self.session_replicas[0], self.engine_replicas[0]
        return sessions * self.session_cpus + engines * self.engine_cpus

    @property
    def gpus(self) -> float:
        """GPUs that they need."""
        return self.engine_replicas[0] * self.engine_gpus

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Read the ``args`` of a Serve config file; see docs/cluster.md.

        Raises
        ------
        UsageError
            If a name or value is not known; the message lists the names.
        """
        for name in arguments:
            if name not in NAMES:
                raise UsageError(f"There is no argument '{name}'. There are: {', '.join(NAMES)}.")
        if not token() and arguments.get(OPEN) is not True:
            raise UsageError(
                f"There is no token; set {TOKEN} in the environment of every node, or let "
                f"everybody in with '{OPEN}: true'."
            )
        check_kinds(arguments, _HINTS)
        own = {name: arguments[name] for name in _OWN if name in arguments}
        if "transcripts" in own and not is_address(own["transcripts"]):
            own["transcripts"] = whole_path("transcripts", own["transcripts"])
        for name in ("session_replicas", "engine_replicas"):
            own |= {name: span(own[name])} if name in own else {}
        own |= {"origins": tuple(own["origins"])} if "origins" in own else {}
        found = cls(_system(arguments), defaults=_defaults(arguments), **own)
        found._check_values()
        return found

    def _check_values(self) -> None:
        """Raise what would otherwise be raised in front of clients."""
        system, (_, pairs) = self.system, self.models
        make_policy(system.policy, _ANY, AlignAttSettings(), LANGUAGES["en"])
        if system.prompt not in FORMS:
            raise UsageError(f"There is no prompt '{system.prompt}'; choose {', '.join(FORMS)}.")
        if system.head_count < 0:
            raise UsageError(f"'head_count' is {system.head_count}; it must be 0 or more.")
        if system.adapter:
            find_adapter(system.model, system.adapter)
        require_known(system.recognizer, language(self.defaults.source))
        for pair in pairs:
            system.check(Pair.parse(pair))
        store_at(self.transcripts, self.limits.keep)


def token() -> str | None:
    """Return what clients must show, or None; from the environment, so that no file holds it."""
    return os.environ.get(TOKEN, "").strip() or None


_APART = ("system", "defaults")
_OWN = tuple(each.name for each in fields(ClusterSettings) if each.name not in _APART)
_MODELS = tuple(each.name for each in fields(System) if each.name != "context")
_FILES = ("adapter", "audio_heads", "heads")
_NAMED = ("model", "recognizer", "aligner")
"""What may be the path of a folder, or a name."""
_ANY = HeadSet("any", "en-de", ((0, 0),))
NAMES = (OPEN, *_OWN, "preset", *_MODELS, "source", "to")
"""The ``args`` of a Serve config file."""
_HINTS = get_type_hints(ClusterSettings) | get_type_hints(System)
_HINTS |= {OPEN: bool, "preset": str, "source": str, "to": str | tuple[str, ...]}


def span(spelled: str | int) -> Span:
    """Read a number of replicas, ``2``, or its bounds, ``2:10``.

    Raises
    ------
    UsageError
        If it is neither.
    """
    least, colon, most = str(spelled).partition(":")
    try:
        found = int(least), int(most if colon else least)
    except ValueError:
        found = (0, 0)
    if not 0 < found[0] <= found[1]:
        raise UsageError(f"'{spelled}' is no number of replicas; write 2, or 2:10 for 2 to 10.")
    return found


def _system(arguments: Mapping[str, Any]) -> System:
    name = arguments.get("preset", "embedded")
    if name not in PRESETS:
        raise UsageError(f"There is no preset '{name}'. There are: {', '.join(PRESETS)}.")
    base = preset(name).system
    asked = {name: arguments[name] for name in _MODELS if name in arguments}
    asked |= {name: whole_path(name, asked[name]) for name in _FILES if asked.get(name)}
    asked |= {
        name: str(whole_path(name, asked[name]))
        for name in _NAMED
        if (asked.get(name) or "").startswith((".", "~"))
    }
    if asked.get("heads"):
        asked["heads"] = load_head_set(asked["heads"])
    engine, model = asked.get("engine", base.engine), asked.get("model", base.model)
    own = find_engine(engine, model).recognizer
    return replace(base, **({"recognizer": own} if own else {}) | asked)


def _defaults(arguments: Mapping[str, Any]) -> Defaults:
    to = arguments.get("to", ())
    return Defaults(arguments.get("source", "en"), (to,) if isinstance(to, str) else tuple(to))
