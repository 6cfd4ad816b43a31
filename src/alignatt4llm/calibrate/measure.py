"""How good a head set is on alignments that had no part in choosing it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.bootstrap import Measure, Statistics, score
from alignatt4llm.calibrate.align import Sentence
from alignatt4llm.calibrate.gather import with_progress
from alignatt4llm.calibrate.model import Model
from alignatt4llm.calibrate.observe import Observation, examples, observe
from alignatt4llm.calibrate.scores import (
    auc_of_counts,
    evidence,
    hits,
    inaccessible,
    translation_scores,
)
from alignatt4llm.errors import Tell
from alignatt4llm.heads.headset import Array, Head, HeadSet
from alignatt4llm.heads.published import TOP
from alignatt4llm.policy.published import peaks
from alignatt4llm.text.languages import Pair

CHOSEN = "source_word_accuracy"
PUBLISHED = "published_recipe"
FULL_ROW = ("full_row_top_8", "full_row_all_heads")

_BINS = 1024
"""Quantiles into which scores are sorted for the ROC curve."""


def measure(
    model: Model,
    pair: Pair,
    chosen: HeadSet,
    sentences: Sequence[Sentence],
    tell: Tell,
    others: Mapping[str, HeadSet] | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure a head set, and what it is compared with, on aligned sentences.

    Parameters
    ----------
    model, pair
        The model and direction.
    chosen
        The set.
    sentences
        Sentence pairs with gold links.
    tell
        Is told the progress.
    others
        Further sets to be measured, by name.

    Returns
    -------
    dict
        By name ``{value, low, high, signature}``, with 95 % bootstrap intervals over sentences.

        ``source_word_accuracy``
            Over the target tokens of aligned units, the share whose peak source word is one that
            the unit is aligned with.
        ``best_single_head``, ``all_heads``
            The same of the head that was best at it in calibration, and of the mean row of all
            heads, both read at the set's row.
        ``published_recipe``
            The same of the published reading: the 8 heads of the highest TS at their own row,
            each column standardised by the rows before, a median filter of width 7, the lower
            median of the heads' peaks.
        ``full_row_top_8``, ``full_row_all_heads``
            The share of tokens whose largest weight of the mean own row of these heads, prompt
            and draft included, is on a source token of an aligned word.
        ``truncation_auc``, ``truncation_auc_`` and a name from above
            How well the inaccessible share of the row tells tokens whose source is not
            accessible, on truncated sources; see `heads.scores`.
    """
    place = {head: n for n, head in enumerate(model.layout.every)}
    sets = {CHOSEN: chosen, **_rivals(chosen, model.layout.every), **(others or {})}
    readings = {
        name: _Reading(one, [place[head] for head in one.heads]) for name, one in sets.items()
    }
    top = [place[head] for head in _published_heads(chosen)]
    groups = (top, range(len(place)))
    results = []
    for number, sentence in enumerate(with_progress(sentences, tell)):
        result = _Result()
        for part, example in examples(sentence, pair, seed=number):
            seen = observe(model.forcer, model.form, pair, example, groups)
            (result.add_truncated if part else result.add_whole)(seen, readings, top)
        results.append(result)
    return _figures([one for one in results if one.found], f"{chosen.model}|{pair}|{chosen.row}")


def _rivals(chosen: HeadSet, every: Sequence[Head]) -> dict[str, HeadSet]:
    best = max(chosen.ranking, key=lambda one: one.accuracy_at(chosen.row), default=None)
    single = (best.layer, best.head) if best else chosen.heads[0]
    heads = {"best_single_head": (single,), "all_heads": tuple(every)}
    return {name: HeadSet(chosen.model, chosen.pair, x, chosen.row) for name, x in heads.items()}


def _published_heads(chosen: HeadSet) -> list[Head]:
    """Return the top heads by TS as published; the set's own if it has no ranking."""
    return [(one.layer, one.head) for one in chosen.ranking[:TOP]] or list(chosen.heads)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A head set and where its heads are among those observed."""

    heads: HeadSet
    places: list[int]

    def found(self, seen: Observation) -> NDArray[np.bool_]:
        """Whether each aligned token's peak word is right."""
        at = evidence(seen, self.heads.row)
        return hits(self.heads.combine(at.rows[:, self.places]), at)

    def beyond(self, seen: Observation) -> Array:
        """Inaccessible share of each aligned token's row."""
        at = evidence(seen, self.heads.row)
        return inaccessible(self.heads.combine(at.rows[:, self.places]), at)


@dataclass
class _Result:
    """What one sentence says: by name, hits of tokens, and inaccessible shares of tokens."""

    found: dict[str, tuple[float, int]] = field(default_factory=dict)
    beyond: dict[str, list[Array]] = field(default_factory=dict)
    late: list[NDArray[np.bool_]] = field(default_factory=list)

    def add_whole(
        self, seen: Observation, readings: Mapping[str, _Reading], top: list[int]
    ) -> None:
        """Count the hits on a whole sentence."""
        aligned = np.flatnonzero(seen.gold.any(1))
        columns = peaks(seen.rows[1:, top].astype(np.float32))[aligned]
        hit = {name: float(reading.found(seen).sum()) for name, reading in readings.items()}
        hit[PUBLISHED] = float(seen.gold[aligned, seen.words[columns]].sum())
        shares = translation_scores(seen, first=1)[-len(FULL_ROW) :]
        hit |= dict(zip(FULL_ROW, shares * len(aligned), strict=True))
        self.found = {name: (count, len(aligned)) for name, count in hit.items()}

    def add_truncated(
        self, seen: Observation, readings: Mapping[str, _Reading], top: list[int]
    ) -> None:
        """Keep the inaccessible shares on a truncated source."""
        published = _Reading(HeadSet("", "", tuple((0, n) for n in top), "own"), top)
        for name, reading in (*readings.items(), (PUBLISHED, published)):
            self.beyond.setdefault(name, []).append(reading.beyond(seen))
        self.late.append(evidence(seen, "own").late)


def _figures(results: Sequence[_Result], signature: str) -> dict[str, dict[str, Any]]:
    """Turn sums over sentences into figures with intervals."""
    if not results:
        return {}
    measures = {}
    for name in results[0].found:
        counts = np.array([one.found[name] for one in results])
        measures[name] = Measure(counts, _ratio, f"{signature}|{name}")
    cut = [one for one in results if one.beyond]
    for name in cut[0].beyond if cut else ():
        label = "truncation_auc" if name == CHOSEN else f"truncation_auc_{name}"
        measures[label] = Measure(_histograms(cut, name), _area, f"{signature}|{label}")
    return {name: asdict(score(each)) for name, each in measures.items()}


def _ratio(sums: Statistics) -> float:
    return float(sums[0] / sums[1])


def _area(sums: Statistics) -> float:
    return auc_of_counts(sums.reshape(2, -1))


def _histograms(results: Sequence[_Result], name: str) -> Statistics:
    """Count each sentence's tokens by class and quantile of their share: [N, 2 · quantiles]."""
    shares = [np.concatenate(one.beyond[name]) for one in results]
    quantiles = np.quantile(np.concatenate(shares), np.linspace(0, 1, _BINS))
    edges = np.unique(quantiles)
    counts = np.zeros((len(results), 2, len(edges) + 1))
    for one, share, result in zip(counts, shares, results, strict=True):
        late = np.concatenate(result.late).astype(int)
        np.add.at(one, (late, np.searchsorted(edges, share)), 1)
    return counts.reshape(len(results), -1)
