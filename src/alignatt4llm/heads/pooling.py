"""One head set for every direction of a model, made of those for some."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from alignatt4llm.errors import UsageError
from alignatt4llm.heads.headset import ANY, Head, HeadSet
from alignatt4llm.heads.published import TOP

MOST = 16
"""Most heads in a set of weighted ones."""


def pool(sets: Sequence[HeadSet]) -> HeadSet:
    """Make one head set of several.

    Weighted heads get the mean of their weights, 0 where a set is without them: the combined row is
    then the normalised geometric mean of the sets' rows. The `MOST` of largest mean weight are
    kept. Of sets without weights, the `TOP` heads by mean translation score are taken.

    Parameters
    ----------
    sets
        Of one model, for some directions.

    Raises
    ------
    UsageError
        If there are none, or they are of several models or read at several rows.
    """
    if not sets:
        raise UsageError("There is nothing to pool; name the head sets of some directions.")
    for what in ("model", "row", "combination"):
        found = sorted({str(getattr(each, what)) for each in sets})
        if len(found) > 1:
            raise UsageError(
                f"Head sets that are pooled must have the same {what}; these have "
                f"{' and '.join(found)}."
            )
    weighted = bool(sets[0].weights)
    means = _means(sets, _weights if weighted else _scores)
    best = sorted(means, key=lambda head: -abs(means[head]))[: MOST if weighted else TOP]
    return HeadSet(
        model=sets[0].model,
        pair=ANY,
        heads=tuple(best),
        row=sets[0].row,
        weights=tuple(round(means[head], 4) for head in best) if weighted else (),
        layout=next((each.layout for each in sets if each.layout), None),
        revision=sets[0].revision,
        origin={"kind": "pooled", "of": [each.pair for each in sets]},
    )


def _means(
    sets: Sequence[HeadSet], worth: Callable[[HeadSet], Iterable[tuple[Head, float]]]
) -> dict[Head, float]:
    """Return the mean worth of every head that any set names."""
    sums: dict[Head, float] = defaultdict(float)
    for each in sets:
        for head, value in worth(each):
            sums[head] += value / len(sets)
    return sums


def _weights(heads: HeadSet) -> Iterable[tuple[Head, float]]:
    return zip(heads.heads, heads.weights, strict=True)


def _scores(heads: HeadSet) -> Iterable[tuple[Head, float]]:
    """Give the translation scores of the ranking; without one, by place in the set."""
    ranked = [((score.layer, score.head), score.ts) for score in heads.ranking]
    return ranked or [(head, 1 / (1 + place)) for place, head in enumerate(heads.heads)]
