"""Head sets: which alignment heads are read, at which query row, and how they are combined."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.errors import UsageError
from alignatt4llm.files.writing import write_whole
from alignatt4llm.text.languages import Pair

VERSION = 2

ANY = "any"
"""Stands for the direction of a set that is used in all of them."""

FLOOR = 1e-3
"""Share of source attention below which a column counts as not looked at."""

Row = Literal["predicting", "own"]
Combination = Literal["log-linear", "mean"]
Array = NDArray[np.float32]

Head = tuple[int, int]
"""(layer, head)."""


@dataclass(frozen=True, slots=True)
class HeadScore:
    """What one head is worth by itself; the measures are defined in `heads.scores`.

    Attributes
    ----------
    layer, head
        Which head.
    ts, ts_predicting
        Translation score at the token's own position, as published, and at the predicting one.
    accuracy, accuracy_predicting
        Source-word accuracy at these positions.
    sharpness
        Mean share of the source attention that its peak word has, at the set's row.
    auc
        Truncation AUC, at the set's row.
    """

    layer: int
    head: int
    ts: float
    ts_predicting: float | None = None
    accuracy: float | None = None
    accuracy_predicting: float | None = None
    sharpness: float | None = None
    auc: float | None = None

    def accuracy_at(self, row: Row) -> float:
        """Source-word accuracy at a row; 0 if it was not measured."""
        return (self.accuracy if row == "own" else self.accuracy_predicting) or 0.0


@dataclass(frozen=True, slots=True)
class Layout:
    """The grid of a model's heads.

    Attributes
    ----------
    layers, heads
        Layers, and heads in each.
    sliding
        Layers that see a window only.
    shared
        Layers that read the keys and values of an earlier one.
    """

    layers: int
    heads: int
    sliding: tuple[int, ...] = ()
    shared: tuple[int, ...] = ()

    @classmethod
    def of(cls, config: Any) -> Self:
        """Read the configuration of a model, as transformers has it."""
        text = config.get_text_config()
        layers = text.num_hidden_layers
        kinds = getattr(text, "layer_types", None) or []
        return cls(
            layers=layers,
            heads=text.num_attention_heads,
            sliding=tuple(n for n, kind in enumerate(kinds) if kind == "sliding_attention"),
            shared=tuple(range(layers - (getattr(text, "num_kv_shared_layers", 0) or 0), layers)),
        )

    @property
    def every(self) -> list[Head]:
        """All heads, layer by layer."""
        return [(layer, head) for layer in range(self.layers) for head in range(self.heads)]

    def __str__(self) -> str:
        return f"{self.layers} layers of {self.heads} heads"


@dataclass(frozen=True, slots=True)
class HeadSet:
    """A calibrated artefact for one model and direction.

    Attributes
    ----------
    model
        Name or hub id of the model whose heads these are.
    pair
        Direction, as ``en-de``; `ANY` for every one.
    heads
        (layer, head), best first.
    row
        ``predicting``: the query that predicts a token; ``own``: the token's own query, which
        exists only once it has been fed back.
    weights
        Weight of each head in a log-linear combination, of either sign; empty for the mean.
    layout
        The grid of the model's heads; None if unknown.
    revision
        Hub revision of the model; None if it was not named.
    ranking
        Every head that was scored, best TS first.
    origin
        How it was made and how good it is: data, counts, stability, held-out figures, versions.
    """

    model: str
    pair: str
    heads: tuple[Head, ...]
    row: Row = "predicting"
    weights: tuple[float, ...] = ()
    layout: Layout | None = None
    revision: str | None = None
    ranking: tuple[HeadScore, ...] = ()
    origin: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.heads:
            raise UsageError(f"The head set for {self.model} {self.pair} names no heads.")
        if self.row not in get_args(Row):
            raise UsageError(f"row is '{self.row}'; it must be 'predicting' or 'own'.")
        if self.weights and len(self.weights) != len(self.heads):
            raise UsageError(
                f"The head set has {len(self.heads)} heads and {len(self.weights)} weights; "
                "each head needs one."
            )

    def best(self, count: int) -> Self:
        """Return the set with its first heads only; with all of them for 0."""
        count = count or len(self.heads)
        return replace(self, heads=self.heads[:count], weights=self.weights[:count])

    @property
    def bare(self) -> Self:
        """What is read, without how it was found."""
        return replace(self, ranking=(), origin={})

    @property
    def combination(self) -> Combination:
        """How heads become one row."""
        return "log-linear" if self.weights else "mean"

    def combine(self, rows: Array) -> Array:
        """Make one row of the heads' rows.

        ``mean`` averages them as they are. ``log-linear`` is a conditional logit over the source
        columns: a softmax over the weighted sum of the heads' `log_shares`. It reads as the
        probability that the token translates each column; heads of negative weight say where
        attention lies for other reasons.

        Parameters
        ----------
        rows
            Attention over the source columns, shape [T, H, S].

        Returns
        -------
        Array
            Shape [T, S]; zero where no head looks at the source.
        """
        if not self.weights or not rows.shape[-1]:
            mean: Array = rows.mean(axis=1)
            return mean
        logits = np.einsum("h,ths->ts", np.asarray(self.weights, np.float32), log_shares(rows))
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        looked = rows.sum((1, 2)) != 0
        combined: Array = powers / powers.sum(-1, keepdims=True) * looked[:, None]
        return combined

    def save(self, path: Path) -> None:
        """Write the artefact as JSON.

        Raises
        ------
        UsageError
            If the file cannot be written.
        """
        weights = self.weights or [None] * len(self.heads)
        heads = [
            {"layer": layer, "head": head} | ({} if weight is None else {"weight": weight})
            for (layer, head), weight in zip(self.heads, weights, strict=True)
        ]
        record: dict[str, Any] = {
            "version": VERSION,
            "model": self.model,
            "revision": self.revision,
            "layout": asdict(self.layout) if self.layout else None,
            "pair": self.pair,
            "row": self.row,
            "combination": self.combination,
            "heads": heads,
            "origin": self.origin,
            "ranking": [_known(score) for score in self.ranking],
        }
        write_whole(path, _json(record) + "\n")

    @classmethod
    def _parse(cls, record: dict[str, Any]) -> Self:
        heads, origin = record["heads"], record["origin"]
        if not isinstance(origin, dict):
            raise TypeError("'origin' is no object")
        weighted = record["combination"] == "log-linear"
        return cls(
            model=record["model"],
            pair=direction(record["pair"]),
            heads=tuple((int(head["layer"]), int(head["head"])) for head in heads),
            row=record["row"],
            weights=tuple(float(head["weight"]) for head in heads) if weighted else (),
            layout=_layout(record["layout"]),
            revision=record["revision"],
            ranking=tuple(HeadScore(**score) for score in record["ranking"]),
            origin=origin,
        )


def direction(name: str) -> str:
    """Return the direction that a name means, as ``en-de``, or `ANY`; errors as `Pair.parse`."""
    return name if name == ANY else str(Pair.parse(name))


def _json(record: Any, indent: str = "") -> str:
    """Write JSON with what fits a line on one line."""
    line = json.dumps(record, ensure_ascii=False)
    if len(indent + line) <= 100 or not isinstance(record, dict | list):
        return line
    inner = indent + " "
    if isinstance(record, dict):
        parts = [f"{json.dumps(key)}: {_json(value, inner)}" for key, value in record.items()]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}}}"
    parts = [_json(value, inner) for value in record]
    return "[\n" + ",\n".join(inner + part for part in parts) + f"\n{indent}]"


def _layout(record: dict[str, Any] | None) -> Layout | None:
    if record is None:
        return None
    sliding, shared = tuple(record["sliding"]), tuple(record["shared"])
    return Layout(int(record["layers"]), int(record["heads"]), sliding, shared)


def _known(score: HeadScore) -> dict[str, float]:
    return {name: value for name, value in asdict(score).items() if value is not None}


def log_shares(rows: Array) -> Array:
    """Return the log of each column's share of its head's source attention, `FLOOR` added.

    Parameters
    ----------
    rows
        Attention over the source columns, shape [..., S].
    """
    logs: Array = np.log(rows / np.maximum(rows.sum(-1, keepdims=True), 1e-9) + FLOOR)
    return logs
