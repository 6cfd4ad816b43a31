"""The models among which ``auto`` chooses."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alignatt4llm.heads.loading import shipped_pairs
from alignatt4llm.translators.table import AUTO, ENGINES
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
    adapter
        What comes with the package to be added to them.
    """

    known: Embedded
    megabytes: int
    adapter: Path | None = None

    @property
    def model(self) -> str:
        """What users call it."""
        return self.known.name

    @property
    def pairs(self) -> tuple[str, ...]:
        """Directions that it translates, as ``en-de``."""
        return shipped_pairs(self.known.model)

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
        return self.known.title


def _is_installed(engine: str) -> bool:
    return engine in ENGINES and ENGINES[engine].installed


def _language_model(name: str) -> Embedded:
    return next(model for model in installed(name) if model.kind == "llm")


RANKED = (
    Candidate(_language_model("embedded-large"), 1117),
    Candidate(_language_model("embedded"), 253),
)
"""The best translator comes first; it is also the largest."""
