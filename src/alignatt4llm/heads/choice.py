"""Which head set is used for a model and direction: the order of choice, in one place."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any, Literal

from alignatt4llm.heads.headset import ANY, HeadSet
from alignatt4llm.heads.kept import kept_set, kept_sets, suits
from alignatt4llm.heads.loading import shipped_pairs, shipped_set
from alignatt4llm.text.languages import LANGUAGES, Pair

Kind = Literal["given", "own", "kept", "kept by name", "pooled"]

KINDS: dict[Kind, str] = {
    "given": "the one given",
    "own": "the model's own",
    "kept": "calibrated on this computer",
    "kept by name": "calibrated on this computer, for some weights of this name",
    "pooled": "the model's for every direction",
}
"""Where head sets come from, in the order in which they are taken."""

MEASURES = {"truncation_auc": "truncation AUC", "source_word_accuracy": "source-word accuracy"}
"""Held-out figures that say how good a set is, and what they are called."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The head set of a direction, and where it comes from."""

    heads: HeadSet
    pair: Pair
    kind: Kind

    @property
    def quality(self) -> dict[str, float]:
        """Its `MEASURES` on held-out sentences of the direction, by name, as far as known."""
        origin, pair = self.heads.origin, str(self.pair)
        with suppress(AttributeError, KeyError, TypeError, ValueError):  # anybody may write a file
            own = origin.get("held_out", {}) if self.heads.pair == pair else {}
            figures = origin.get("directions", {}).get(pair, own)
            return {name: float(figures[name]["value"]) for name in MEASURES if name in figures}
        return {}

    @property
    def described(self) -> str:
        """Where it comes from, and how good it is known to be."""
        known = ", ".join(f"{MEASURES[name]} {value:.2f}" for name, value in self.quality.items())
        said = f"{known} on held-out sentences" if known else "how good it is here is not known"
        made = f" (made for {self.heads.model} {self.heads.pair})" if self.kind == "given" else ""
        return f"{KINDS[self.kind]}{made}; {said}"

    def __str__(self) -> str:
        return f"Head set for {self.pair}: {self.described}."


def recorded(heads: HeadSet, pair: Pair, figures: dict[str, dict[str, Any]]) -> HeadSet:
    """Return a set that knows how good it is for a direction; see `Chosen.quality`."""
    found = {name: figures[name] for name in MEASURES if name in figures}
    directions = {**heads.origin.get("directions", {}), str(pair): found}
    return replace(heads, origin={**heads.origin, "directions": directions})


def choose(
    model: str,
    pair: Pair,
    *,
    base: str = "",
    given: HeadSet | None = None,
    own: HeadSet | None = None,
    key: Callable[[], str] = str,
) -> Chosen | None:
    """Return the head set of a model and direction; None if one has to be calibrated first.

    The first is taken of: the one given, the one that belongs to the model and direction, one that
    was calibrated on this machine, the model's for every direction.

    Parameters
    ----------
    model
        Short name; see `weights.models.short_name`.
    pair
        Direction.
    base
        The model that it was made from by an adapter, whose sets will do.
    given
        What the user has given; taken where it is for the direction.
    own
        What comes with an adapter, or an engine, for the direction.
    key
        Returns what the model on this machine is, as for `kept_set`; any of its name if empty.

    Raises
    ------
    UsageError
        If both languages are the same.
    """
    pair.check()
    names = [name for name in (model, base) if name]

    def ways() -> Iterator[tuple[Kind, HeadSet | None]]:
        yield "given", given if given and given.pair in (str(pair), ANY) else None
        yield "own", own or _shipped(names, str(pair))
        known = key()
        yield "kept" if known else "kept by name", kept_set(model, str(pair), known)
        yield "pooled", _shipped(names, ANY)

    return next((Chosen(heads, pair, kind) for kind, heads in ways() if heads), None)


def no_set(pair: Pair, model: str) -> str:
    """Say that there is no head set, and none may be calibrated."""
    return (
        f"There is no head set for {pair} with the model '{model}'. Leave --no-calibration out to "
        "have one calibrated on first use (by a server, before it serves), or give one with "
        "--heads FILE."
    )


def _shipped(names: list[str], pair: str) -> HeadSet | None:
    return next(filter(None, (shipped_set(name, pair) for name in names)), None)


def ready_pairs(
    model: str, base: str = "", key: Callable[[Pair], str] = lambda _: ""
) -> tuple[str, ...]:
    """Return the directions for which nothing has to be calibrated, shipped sets' first.

    Parameters are as for `choose`; the key is that of a direction.
    """
    names = [name for name in (model, base) if name]
    shipped = [pair for name in names for pair in shipped_pairs(name)]
    sets = [heads for heads in kept_sets(model) if heads.pair != ANY]
    kept = [heads.pair for heads in sets if suits(heads, key(Pair.parse(heads.pair)))]
    pooled = every_pair() if _shipped(names, ANY) else ()
    return tuple(dict.fromkeys((*shipped, *kept, *pooled)))


def every_pair() -> tuple[str, ...]:
    """Return every direction between two languages of the table."""
    return tuple(f"{source}-{target}" for source, target in permutations(LANGUAGES, 2))


def layers_of(model: str, heads: HeadSet | None = None) -> list[int] | None:
    """Return the layers that a model's head sets, shipped, kept or given, read.

    None if there are no sets: then every layer may be read. Engines that must set memory aside
    need them before the first stream.
    """
    shipped = (shipped_set(model, pair) for pair in (*shipped_pairs(model), ANY))
    sets = [known for known in (*shipped, *kept_sets(model), heads) if known]
    return sorted({layer for known in sets for layer, _ in known.heads}) or None
