"""Head sets: which alignment heads are read, at which query row, and how they are combined."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.errors import AlignattError, UsageError

VERSION = 1


@dataclass(frozen=True, slots=True)
class HeadSet:
    """A calibrated artefact for one model and direction.

    Attributes
    ----------
    model
        Name or hub id of the model whose heads these are.
    pair
        Direction, as ``en-de``.
    heads
        (layer, head), best first.
    row
        ``predicting``: the query that predicts a token; ``own``: the token's own query, which
        exists only once it has been fed back.
    renormalise
        Whether each head's row is divided by its mass on the source before heads are averaged.
    scores
        TS of each head, in the order of ``heads``.
    origin
        How it was made: data, counts, tool versions.
    """

    model: str
    pair: str
    heads: tuple[tuple[int, int], ...]
    row: Literal["predicting", "own"] = "predicting"
    renormalise: bool = True
    scores: tuple[float, ...] = ()
    origin: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.heads:
            raise UsageError(f"The head set for {self.model} {self.pair} names no heads.")
        if self.row not in ("predicting", "own"):
            raise UsageError(f"row is '{self.row}'; it must be 'predicting' or 'own'.")

    def combine(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Average the heads: shape [T, H, S] to [T, S]."""
        if self.renormalise:
            rows = rows / np.maximum(rows.sum(-1, keepdims=True), 1e-9)
        mean: NDArray[np.float32] = rows.mean(axis=1)
        return mean

    def save(self, path: Path) -> None:
        """Write the artefact as JSON."""
        record = {
            "version": VERSION,
            "model": self.model,
            "pair": self.pair,
            "row": self.row,
            "renormalise": self.renormalise,
            "heads": [
                {"layer": layer, "head": head, "ts": score}
                for (layer, head), score in zip(self.heads, self._padded_scores(), strict=True)
            ],
            "origin": self.origin,
        }
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")

    def _padded_scores(self) -> Sequence[float | None]:
        return self.scores or [None] * len(self.heads)


def load_head_set(path: Path) -> HeadSet:
    """Read an artefact.

    Raises
    ------
    AlignattError
        If the file is missing, not JSON, of another version, or lacks a key.
    """
    try:
        record = json.loads(path.read_text("utf-8"))
        if record["version"] != VERSION:
            raise AlignattError(f"{path} is a head set of version {record['version']}, not 1.")
        heads = record["heads"]
        return HeadSet(
            model=record["model"],
            pair=record["pair"],
            heads=tuple((int(head["layer"]), int(head["head"])) for head in heads),
            row=record["row"],
            renormalise=bool(record["renormalise"]),
            scores=tuple(head["ts"] for head in heads if head.get("ts") is not None),
            origin=record.get("origin", {}),
        )
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise AlignattError(f"{path} is not a readable head set: {problem!r}.") from problem


def shipped_head_sets() -> dict[str, Path]:
    """Return the artefacts inside the package, by name ``model:pair``."""
    folder = Path(str(resources.files("alignatt4llm.heads"))) / "artefacts"
    return {path.stem.replace("_", ":"): path for path in sorted(folder.glob("*.json"))}


def head_set_for(model: str, pair: str) -> HeadSet:
    """Return the shipped head set of a model and direction.

    Raises
    ------
    UsageError
        If none is shipped; the message names those that are and says how to make one.
    """
    shipped = shipped_head_sets()
    path = shipped.get(f"{model}:{pair}")
    if path is None:
        names = ", ".join(shipped) or "none"
        raise UsageError(
            f"There is no head set for {pair} with the model '{model}' (shipped: {names}). "
            "Make one with 'alignatt heads calibrate' and pass it with --heads FILE."
        )
    return load_head_set(path)


def layers_of(model: str, heads: HeadSet | None = None) -> list[int] | None:
    """Return the layers that a model's head sets, shipped or given, read; None if there are none.

    Engines that must set memory aside need them before the first stream.
    """
    shipped = [
        load_head_set(path)
        for name, path in shipped_head_sets().items()
        if name.rpartition(":")[0] == model
    ]
    sets = [*shipped, *([heads] if heads else [])]
    return sorted({layer for known in sets for layer, _ in known.heads}) or None
