"""Where teaching stands, on disk: whole or not there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alignatt4llm.errors import AlignattError, UsageError

FILE = "teaching.pt"


@dataclass(slots=True)
class Checkpoint:
    """Where teaching stands after a step.

    Nothing is drawn while a model is taught but from the seed and the number of a lesson, so the
    step says where all draws stand.

    Attributes
    ----------
    key
        Of the settings, the model and the data; another run does not go on from here.
    step
        Steps that are done.
    heads
        Heads that are taught where to look.
    weights
        The adapter, by name.
    optimizer
        The state of the optimiser.
    losses
        Of every step: of what is said, and of where heads look.
    scores
        Measurements on held-out sentences, with the step and the direction of each.
    seconds
        Spent so far.
    """

    key: str
    step: int
    heads: list[tuple[int, int]]
    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    losses: list[tuple[float, float]]
    scores: list[dict[str, Any]]
    seconds: float

    def save(self, folder: Path) -> None:
        """Write it in place of the one before.

        Raises
        ------
        AlignattError
            If it cannot be written.
        """
        partial = folder / f"{FILE}.partial"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            torch.save({name: getattr(self, name) for name in self.__slots__}, partial)
            partial.replace(folder / FILE)
        except (OSError, RuntimeError) as problem:
            raise AlignattError(f"'{folder}' cannot be written: {problem}.") from problem

    @classmethod
    def load(cls, folder: Path, key: str) -> "Checkpoint | None":
        """Return where teaching stands; None if it has not begun.

        Raises
        ------
        UsageError
            If something else is being taught in the folder, or the file cannot be read.
        """
        path = folder / FILE
        if not path.exists():
            return None
        try:
            found = cls(**torch.load(path, weights_only=True))
        except Exception as problem:  # whatever torch makes of a broken file
            raise UsageError(f"'{path}' cannot be read; delete it to begin anew.") from problem
        if found.key != key:
            raise UsageError(
                f"'{folder}' holds a run with other settings, another model or other data; "
                "give another --out, or delete the folder."
            )
        return found


def remove(folder: Path) -> None:
    """Remove what is only needed to go on."""
    (folder / FILE).unlink(missing_ok=True)
