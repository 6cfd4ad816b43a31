"""AlignAtt with the settings published for decoder-only models (AlignAtt4LLM, IWSLT 2026).

For comparison only: each head's columns are standardised by the rows before, smoothed along the
source, and the heads' peaks are reduced to their lower median.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.draft import Draft, TokenEvidence
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.policy.alignatt import Array, weigh
from alignatt4llm.policy.base import View

FILTER_WIDTH = 7
"""Source columns of the median filter."""
BORDER_MARGIN = 1
"""Columns beyond the frontier at which a peak may still lie."""
SOFT_FRONTIER = 0.03
"""A peak beyond is accepted all the same if no more than this mass is inaccessible."""


@dataclass(frozen=True, slots=True)
class PublishedAlignAtt:
    """The published gate over a head set."""

    heads: HeadSet

    def decide(self, draft: Draft, view: View) -> list[TokenEvidence]:
        """Hold tokens whose peak is at or beyond the border; see `policy.base.Policy`."""
        accessible = draft.words < view.frontier  # [S]
        border = int(accessible.sum()) + BORDER_MARGIN
        mass = draft.rows[:, :, ~accessible].sum(-1).mean(-1)  # [T]
        evidence = weigh(self.heads, draft.rows, draft.words, view)
        return [
            replace(token, hold="source_frontier")
            if peak >= border and inaccessible >= SOFT_FRONTIER
            else token
            for token, peak, inaccessible in zip(evidence, peaks(draft.rows), mass, strict=True)
        ]

    def judge(self, view: View) -> None:
        """The rows before a token decide with it: drafts are judged whole."""


def peaks(rows: Array) -> NDArray[np.int64]:
    """Return the source column each token is taken to look at.

    Parameters
    ----------
    rows
        Rows of the heads over the source columns, shape [T, H, S].
    """
    filtered = _median_filter(_standardised(rows))
    by_head = np.sort(filtered.argmax(-1), axis=-1)  # [T, H]
    lower: NDArray[np.int64] = by_head[:, (rows.shape[1] - 1) // 2]
    return lower


def _standardised(rows: Array) -> Array:
    """Subtract the mean of the rows before and divide by their deviation, from the third on."""
    out = rows.copy()
    for t in range(2, len(rows)):
        before = rows[:t]
        out[t] = (rows[t] - before.mean(0)) / np.maximum(before.std(0), 1e-6)
    return out


def _median_filter(rows: Array) -> Array:
    """Take the median over neighbouring columns, the edge repeated."""
    half = FILTER_WIDTH // 2
    if not rows.shape[-1]:
        return rows
    padded = np.pad(rows, ((0, 0), (0, 0), (half, half)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, FILTER_WIDTH, axis=-1)
    median: Array = np.median(windows, axis=-1).astype(np.float32)
    return median
