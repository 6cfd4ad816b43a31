"""The models among which ``auto`` chooses."""

from collections.abc import Sequence
from dataclasses import dataclass

from alignatt4llm.heads.loading import shipped_pairs
from alignatt4llm.translators.table import AUTO, ENGINES
from alignatt4llm.weights.adapters import find_adapter
from alignatt4llm.weights.embedded import Embedded, installed

HERE = ("llama.cpp", "transformers")
"""Engines that run models in this process; the first takes them as they come."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that comes with the package.

    Attributes
    ----------
    known
        Its weights.
    megabytes
        Their size.
    taught
        Name of what it was taught, a key of `adapters.SHIPPED`; empty for the model as it is.
    better
        Directions in which what it was taught made it better, as ``en-de``; see
        ``docs/log/interpreting.md``.
    """

    known: Embedded
    megabytes: int
    taught: str = ""
    better: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """What users call it."""
        return self.taught or self.known.name

    @property
    def name(self) -> str:
        """Its name, as head sets know it."""
        adapter = find_adapter(self.taught) if self.taught else None
        return adapter.name if adapter else self.known.model

    @property
    def pairs(self) -> tuple[str, ...]:
        """Directions that it translates, as ``en-de``."""
        return self.better if self.taught else shipped_pairs(self.known.model)

    def engines(self, asked: str = AUTO) -> Sequence[str]:
        """Return the engines that can run it at once, of those asked for.

        All but the first would spend minutes on converting its weights, unless that is done.
        """
        names = HERE if asked == AUTO else (asked,)
        return [name for name in names if _is_installed(name) and self._is_ready(name)]

    def _is_ready(self, engine: str) -> bool:
        if engine != HERE[0]:
            return self.known.folder is not None
        return "GGUF" in self.known.prepared or all(file.installed for file in self.known.files)

    def __str__(self) -> str:
        return f"{self.known.title}, taught to interpret" if self.taught else self.known.title


def _is_installed(engine: str) -> bool:
    return engine in ENGINES and ENGINES[engine].installed


def _language_model(name: str) -> Embedded:
    return next(model for model in installed(name) if model.kind == "llm")


RANKED = (
    Candidate(_language_model("embedded-large"), 1117),
    Candidate(_language_model("embedded"), 253, "embedded-taught", ("en-de", "en-it")),
    Candidate(_language_model("embedded"), 253),
)
"""The best translator comes first; none that follows is larger."""
