"""What travels between a session and the replica that drafts for it."""

from dataclasses import dataclass

from alignatt4llm.draft import Draft, Judge
from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.prompts.prompt import Prompt
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Loaded, Translator
from alignatt4llm.weights.adapters import Adapter


@dataclass(frozen=True, slots=True)
class Lane:
    """One stream as engine replicas know it.

    Attributes
    ----------
    stream
        A name that no other stream has.
    pair, heads, beginning
        As for `Translator.open`.
    """

    stream: str
    pair: Pair
    heads: HeadSet
    beginning: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Everything that a draft is made from; any replica gives the same one.

    Attributes
    ----------
    lane
        The stream.
    prompt, budget, judge, guess
        As for `Drafter.draft`.
    """

    lane: Lane
    prompt: Prompt
    budget: int
    judge: Judge | None = None
    guess: tuple[int, ...] = ()


Models = tuple[System, tuple[str, ...]]
"""What an engine replica is asked to load: a system, and directions that need a head set."""

Answer = Draft | AlignattError
"""A draft, or what a client is told instead."""


@dataclass(frozen=True, slots=True)
class Described:
    """A model that an engine replica has in memory.

    Attributes
    ----------
    models
        What the replica was asked for.
    system
        What it was loaded for, with the model and the engine that were chosen.
    name, location, revision, heads, pairs, adapter
        As in `Loaded`.
    """

    models: Models
    system: System
    name: str
    location: str
    revision: str | None
    heads: HeadSet | None
    pairs: tuple[str, ...]
    adapter: Adapter | None

    @classmethod
    def of(cls, models: Models, system: System, loaded: Loaded) -> "Described":
        """Describe a model that is loaded here."""
        return cls(
            models,
            system,
            loaded.name,
            loaded.location,
            loaded.revision,
            loaded.heads,
            loaded.pairs,
            loaded.adapter,
        )

    def loaded(self, translator: Translator) -> Loaded:
        """Return the model as sessions take it, reached through a translator."""
        return Loaded(
            self.name,
            self.location,
            translator,
            self.revision,
            self.heads,
            self.pairs,
            self.adapter,
        )
