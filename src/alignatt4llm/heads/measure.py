"""How good a head set is on alignments that had no part in choosing it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.evaluate.bootstrap import Measure, score
from alignatt4llm.heads.align import Sentence
from alignatt4llm.heads.gather import Tell, with_progress
from alignatt4llm.heads.headset import Head, HeadSet
from alignatt4llm.heads.observe import Forcer, Observation, examples, observe
from alignatt4llm.heads.published import TOP
from alignatt4llm.heads.scores import (
    auc_of_counts,
    evidence,
    hits,
    inaccessible,
    translation_score,
)
from alignatt4llm.languages import Pair
from alignatt4llm.policy.published import peaks
from alignatt4llm.prompts import PromptForm

_BINS = 1024
"""Quantiles into which scores are sorted for the ROC curve."""


def rivals(chosen: HeadSet, every: Sequence[Head]) -> dict[str, HeadSet]:
    """Return what a head set is compared with, read at the same row.

    ``best_single_head`` is the head with the best source-word accuracy when the set was
    calibrated, the first of the set if that is unknown; ``all_heads`` averages every head's row.
    """
    key = "accuracy" if chosen.row == "own" else "accuracy_predicting"
    scored = [one for one in chosen.ranking if getattr(one, key) is not None]
    best = max(scored, key=lambda one: float(getattr(one, key)), default=None)
    single = (best.layer, best.head) if best else chosen.heads[0]
    return {"best_single_head": _plain(chosen, [single]), "all_heads": _plain(chosen, every)}


def _plain(like: HeadSet, heads: Sequence[Head]) -> HeadSet:
    return HeadSet(like.model, like.pair, tuple(heads), like.row)


def published_heads(chosen: HeadSet) -> list[Head]:
    """Return the top heads by TS as published, or the set's own if it has no ranking."""
    return [(one.layer, one.head) for one in chosen.ranking[:TOP]] or list(chosen.heads)


@dataclass
class _Account:
    """What is counted, sentence by sentence."""

    counts: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    masses: dict[str, list[tuple[int, NDArray[np.float32], NDArray[np.bool_]]]] = field(
        default_factory=dict
    )

    def count(self, name: str, found: float, of: int) -> None:
        self.counts.setdefault(name, []).append((found, of))


def measure(
    forcer: Forcer,
    form: PromptForm,
    pair: Pair,
    chosen: HeadSet,
    every: Sequence[Head],
    sentences: Sequence[Sentence],
    tell: Tell,
    others: Mapping[str, HeadSet] | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure a head set and what it is compared with on aligned sentences.

    Parameters
    ----------
    forcer
        Opened for every head of the model.
    form, pair
        The prompt of the sessions, and the direction.
    chosen
        The set.
    every
        The model's heads, in the order in which the forcer returns rows.
    sentences
        Sentence pairs with gold links.
    tell
        Is told the progress.
    others
        Further sets to be measured, by name.

    Returns
    -------
    dict
        By name ``{value, low, high, signature}``, with 95 % bootstrap intervals over sentences:

        - ``source_word_accuracy``: over target tokens of aligned units, the share whose peak
          source word is aligned with the unit; so also ``best_single_head``, ``all_heads``,
          and ``published_recipe``: the top 8 heads by own-position TS, each column standardised
          by the rows before, median filter of width 7, lower median of the heads' peaks.
        - ``full_row_top_8``, ``full_row_all_heads``: the share whose largest weight of the mean
          own row, prompt and draft included, is on an aligned source token.
        - ``truncation_auc``, and ``truncation_auc_`` followed by the names above: how well the
          inaccessible share tells tokens whose source is not accessible, on truncated sources.
    """
    place = {head: n for n, head in enumerate(every)}
    sets = {"source_word_accuracy": chosen, **rivals(chosen, every), **(others or {})}
    places = {name: [place[head] for head in one.heads] for name, one in sets.items()}
    top = [place[head] for head in published_heads(chosen)]
    account = _Account()
    for number, sentence in enumerate(with_progress(sentences, tell)):
        for part, example in examples(sentence, pair, seed=number):
            seen = observe(forcer, form, pair, example, groups=(top, range(len(every))))
            if part == 0:
                _count_whole(account, seen, sets, places, top)
            else:
                _weigh_truncated(account, number, seen, sets, places, top)
    return _figures(account, chosen)


def _count_whole(
    account: _Account,
    seen: Observation,
    sets: Mapping[str, HeadSet],
    places: Mapping[str, list[int]],
    top: list[int],
) -> None:
    aligned = seen.gold.any(1)
    tokens = int(aligned.sum())
    if not tokens:
        return
    for name, one in sets.items():
        at = evidence(seen, one.row)
        found = hits(one.combine(at.rows[:, places[name]]), at)
        account.count(name, int(found.sum()), tokens)
    columns = peaks(seen.rows[1:, top].astype(np.float32))
    found = seen.gold[np.arange(len(columns)), seen.words[columns]]
    account.count("published_recipe", int(found.sum()), tokens)
    for name, ts in zip(("full_row_top_8", "full_row_all_heads"), translation_score(seen, 1)[-2:], strict=True):
        account.count(name, float(ts) * tokens, tokens)


def _weigh_truncated(
    account: _Account,
    number: int,
    seen: Observation,
    sets: Mapping[str, HeadSet],
    places: Mapping[str, list[int]],
    top: list[int],
) -> None:
    read = {name: (one, places[name]) for name, one in sets.items()}
    read["published_recipe"] = (HeadSet("", "", tuple((0, n) for n in top), "own"), top)
    for name, (one, heads) in read.items():
        at = evidence(seen, one.row)
        if len(at.late):
            mass = inaccessible(one.combine(at.rows[:, heads]), at)
            account.masses.setdefault(name, []).append((number, mass, at.late))


def _figures(account: _Account, chosen: HeadSet) -> dict[str, dict[str, Any]]:
    signature = f"heads:{chosen.model}:{chosen.pair}|row:{chosen.row}"
    ratio: Callable[[NDArray[np.float64]], float] = lambda sums: sums[0] / sums[1]
    figures = {
        name: Measure(np.array(counts, float), ratio, f"{signature}|{name}")
        for name, counts in account.counts.items()
    }
    for name, masses in account.masses.items():
        label = "truncation_auc" + ("" if name == "source_word_accuracy" else f"_{name}")
        figures[label] = Measure(
            _histograms(masses), lambda sums: auc_of_counts(sums.reshape(2, -1)), f"{signature}|{label}"
        )
    return {name: asdict(score(figure)) for name, figure in figures.items()}


def _histograms(
    masses: Sequence[tuple[int, NDArray[np.float32], NDArray[np.bool_]]],
) -> NDArray[np.float64]:
    """Count, for each sentence, its scores by quantile and class: shape [N, 2 · bins]."""
    edges = np.unique(np.quantile(np.concatenate([mass for _, mass, _ in masses]), np.linspace(0, 1, _BINS)))
    rows: dict[int, NDArray[np.float64]] = {}
    for number, mass, late in masses:
        counts = rows.setdefault(number, np.zeros((2, len(edges) + 1)))
        np.add.at(counts, (late.astype(int), np.searchsorted(edges, mass)), 1)
    return np.array([counts.ravel() for counts in rows.values()])
