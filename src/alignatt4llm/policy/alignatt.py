"""AlignAtt: how much of a draft may be said, from attention rows and the source frontier.

Papi, Turchi and Negri, "AlignAtt: Using Attention-based Audio-Translation Alignments as a Guide
for Simultaneous Speech Translation" (2023), carried over to the rows of a decoder-only LLM.
Everything here is a pure function over numpy arrays and text.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.draft import Draft, Judge, TokenEvidence
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Sources
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.policy.base import COPIED, View
from alignatt4llm.text.repeats import bare, repeats

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AlignAttSettings:
    """The thresholds of the gate.

    Attributes
    ----------
    max_inaccessible
        Largest share of a token's source attention that may lie on inaccessible words.
    copied
        Accessible words up to which a target that only repeats the source is held: a model that
        has begun to copy goes on, and with more of the source it often translates.
    """

    max_inaccessible: float = 0.15
    copied: int = 6

    def __post_init__(self) -> None:
        if not 0 <= self.max_inaccessible <= 1:
            raise UsageError(
                f"max_inaccessible is {self.max_inaccessible}; it is a share and must lie in 0..1."
            )
        if self.copied < 0:
            raise UsageError(f"copied is {self.copied}; it counts words, 0 or more.")


def words_from_columns(rows: Array, words: NDArray[np.int64], count: int) -> Array:
    """Sum the source columns of each word.

    Parameters
    ----------
    rows
        Attention over the source columns, shape [T, S].
    words
        Source word of each column, shape [S].
    count
        Number of visible words W.

    Returns
    -------
    Array
        Attention over the source words, shape [T, W].
    """
    out = np.zeros((rows.shape[0], count), rows.dtype)
    np.add.at(out.T, words, rows.T)
    return out


def weigh(heads: HeadSet, rows: Array, words: NDArray[np.int64], view: View) -> list[TokenEvidence]:
    """Describe each draft token by where in the source it looks.

    Parameters
    ----------
    heads
        The head set that the rows were read for.
    rows
        Rows of its heads over the source columns, shape [T, H, S].
    words
        Source word of each column, shape [S].
    view
        The visible words and the frontier.
    """
    by_word = words_from_columns(heads.combine(rows), words, len(view.words))  # [T, W]
    source_mass = rows.sum(-1).mean(-1)  # [T]
    total = by_word.sum(-1)  # [T]
    shares = by_word / np.where(total > 0, total, 1)[:, None]
    peaks = np.where(total > 0, by_word.argmax(-1), -1)
    return [
        TokenEvidence(
            int(peak),
            float(row[: view.frontier].sum()),
            float(row[view.frontier :].sum()),
            mass,
            sources=strongest(row),
        )
        for row, peak, mass in zip(shares, peaks, source_mass.tolist(), strict=True)
    ]


def strongest(row: Array, count: int = 4, least: float = 0.05) -> Sources:
    """Name the words that hold the largest shares of a row, strongest first.

    Parameters
    ----------
    row
        Shares of the source words, shape [W].
    count
        Most words named.
    least
        Smallest share worth naming beside the strongest.
    """
    order = np.argsort(-row, kind="stable")[:count]
    bound = min(least, float(row.max(initial=0.0)))
    named = [int(word) for word in order if row[word] > 0 and row[word] >= bound]
    return tuple((word, round(float(row[word]), 2)) for word in named)


def hold_reason(token: TokenEvidence, frontier: int, settings: AlignAttSettings) -> str:
    """Name the first test that a token fails; empty when it may be said."""
    shares = (token.accessible, token.inaccessible, token.source_mass)
    if not np.isfinite(shares).all():
        return "nonfinite"
    if token.word < 0:
        return "source_unseen"
    if token.word >= frontier:
        return "peak_inaccessible"
    if token.inaccessible > settings.max_inaccessible:
        return "mass_inaccessible"
    return ""


@dataclass(frozen=True, slots=True)
class AlignAtt:
    """The policy: a head set read with thresholds."""

    heads: HeadSet
    settings: AlignAttSettings = AlignAttSettings()

    def decide(self, draft: Draft, view: View) -> list[TokenEvidence]:
        """Hold what leans on words beyond the frontier, or copies; see `Policy.decide`."""
        evidence = list(draft.evidence) or self._judged(draft.rows, draft.words, view)
        if not self._copies(draft, view):
            return evidence
        return [replace(token, hold=token.hold or COPIED) for token in evidence]

    def judge(self, view: View) -> Judge:
        """Judge each token by where it looks."""
        return partial(self._judged, view=view)

    def _copies(self, draft: Draft, view: View) -> bool:
        """Whether so far the source is only repeated, and not by a model that leaves words out."""
        target = view.accepted + draft.text
        if view.frontier > self.settings.copied or not repeats(target, view.words):
            return False
        return not draft.ended or bare(" ".join(view.words)).endswith(bare(target))

    def _judged(self, rows: Array, words: NDArray[np.int64], view: View) -> list[TokenEvidence]:
        evidence = weigh(self.heads, rows, words, view)
        return [
            replace(token, hold=hold_reason(token, view.frontier, self.settings))
            for token in evidence
        ]
