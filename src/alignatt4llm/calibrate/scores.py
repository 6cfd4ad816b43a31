"""What a head is worth by itself.

Every score is over the target tokens that belong to an aligned unit.

TS (translation score)
    Share of tokens whose largest weight of the *whole* row, prompt and draft included, lies on a
    source token of an aligned word; the mean over sentences, as published with AlignAtt4LLM.
Source-word accuracy
    Share of tokens whose peak source word is an aligned one, after columns are summed into words.
Truncation AUC
    Area under the ROC curve of the inaccessible share of source attention, for "the source of
    this token is not accessible", when only the first words of the source are visible.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.calibrate.gather import Seen
from alignatt4llm.calibrate.observe import Observation
from alignatt4llm.heads.headset import Head, HeadScore, Row

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The aligned tokens of one example, read at one row.

    Attributes
    ----------
    rows
        Attention over the source columns, shape [T, H, S].
    words
        Source word of each column, shape [S].
    gold
        Aligned source words of each token, shape [T, W].
    late
        Tokens whose source is not accessible, shape [T].
    right
        Columns that are right to look at, shape [T, S]: those of aligned words; the inaccessible
        ones where the token is late.
    frontier
        Number of accessible words.
    """

    rows: Array
    words: NDArray[np.int64]
    gold: NDArray[np.bool_]
    late: NDArray[np.bool_]
    right: NDArray[np.bool_]
    frontier: int


def evidence(seen: Observation, row: Row) -> Evidence:
    """Return the aligned tokens of an observation at the predicting or the own row."""
    aligned = seen.gold.sum(1) > 0
    rows = seen.rows[:-1] if row == "predicting" else seen.rows[1:]
    gold = seen.gold[aligned]
    late = gold[:, seen.frontier :].sum(1) > 0
    beyond = seen.words >= seen.frontier
    right = np.where(late[:, None], beyond, gold[:, seen.words])
    return Evidence(rows[aligned].astype(np.float32), seen.words, gold, late, right, seen.frontier)


def by_word(rows: Array, words: NDArray[np.int64], count: int) -> Array:
    """Sum columns into words: shape [..., S] to [..., count]."""
    membership = np.zeros((len(words), count), np.float32)
    membership[np.arange(len(words)), words] = 1
    summed: Array = rows @ membership
    return summed


def hits(rows: Array, seen: Evidence) -> NDArray[np.bool_]:
    """Whether the peak word of each row is an aligned one: shape [T, ..., S] to [T, ...]."""
    peaks = by_word(rows, seen.words, seen.gold.shape[1]).argmax(-1)
    tokens = np.arange(len(peaks)).reshape(-1, *[1] * (peaks.ndim - 1))
    found: NDArray[np.bool_] = seen.gold[tokens, peaks]
    return found


def inaccessible(rows: Array, seen: Evidence) -> Array:
    """Return the share of each row on inaccessible words: shape [T, ..., S] to [T, ...]."""
    beyond = rows[..., seen.words >= seen.frontier].sum(-1)
    share: Array = beyond / np.maximum(rows.sum(-1), 1e-9)
    return share


def auc(scores: Array, positive: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve; ties count half, NaN if a class is empty."""
    values, index = np.unique(scores, return_inverse=True)
    counts = np.zeros((2, len(values)))
    np.add.at(counts, (positive.astype(int), index), 1)
    return auc_of_counts(counts)


def auc_of_counts(counts: NDArray[np.float64]) -> float:
    """Return the area from counts of negatives and positives by rising score, [2, K]."""
    negative, positive = counts
    pairs = negative.sum() * positive.sum()
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / pairs) if pairs else float("nan")


def rank_heads(heads: Sequence[Head], seen: Sequence[Seen], row: Row) -> tuple[HeadScore, ...]:
    """Score heads, best TS first.

    Parameters
    ----------
    heads
        The heads that were observed, in this order.
    seen
        What was observed of each sentence.
    row
        Row at which sharpness and truncation AUC are read.
    """
    whole = [one.whole for one in seen]
    own = [evidence(one, "own") for one in whole]
    predicting = [evidence(one, "predicting") for one in whole]
    cut = [evidence(x, row) for one in seen for x in one.truncated]
    late = np.concatenate([one.late for one in cut])
    beyond = np.concatenate([inaccessible(one.rows, one) for one in cut])  # [T, H]
    columns = (
        mean_ts(whole, first=1),
        mean_ts(whole, first=0),
        _accuracy(own),
        _accuracy(predicting),
        _sharpness(own if row == "own" else predicting),
        [auc(head, late) for head in beyond.T],
    )
    scores = [
        HeadScore(*head, *(round(float(column[n]), 4) for column in columns))
        for n, head in enumerate(heads)
    ]
    return tuple(sorted(scores, key=lambda score: -score.ts))


def mean_ts(whole: Sequence[Observation], first: int) -> NDArray[np.float64]:
    """Return the TS of every head, the row of token t being ``rows[t + first]``; shape [H]."""
    scores: NDArray[np.float64] = np.mean(
        [translation_scores(seen, first) for seen in whole], axis=0
    )
    return scores


def translation_scores(seen: Observation, first: int) -> NDArray[np.float64]:
    """Return the TS of every head, and of groups of heads, on one sentence; shape [H + G]."""
    aligned = np.flatnonzero(seen.gold.any(1))
    peaks = seen.peaks[aligned + first]  # [T, H]
    right = seen.gold[aligned][:, seen.words]  # [T, S]
    found = right[np.arange(len(aligned))[:, None], peaks] & (peaks >= 0)
    score: NDArray[np.float64] = found.mean(0)
    return score


def _accuracy(whole: Sequence[Evidence]) -> NDArray[np.float64]:
    found = np.concatenate([hits(seen.rows, seen) for seen in whole])
    accuracy: NDArray[np.float64] = found.mean(0)
    return accuracy


def _sharpness(whole: Sequence[Evidence]) -> NDArray[np.float64]:
    shares = []
    for seen in whole:
        words = by_word(seen.rows, seen.words, seen.gold.shape[1])
        shares.append(words.max(-1) / np.maximum(words.sum(-1), 1e-9))
    sharpness: NDArray[np.float64] = np.concatenate(shares).mean(0)
    return sharpness
