"""AlignAtt: how much of a draft may be said, from attention rows and the source frontier.

Papi, Turchi and Negri, "AlignAtt: Using Attention-based Audio-Translation Alignments as a Guide
for Simultaneous Speech Translation" (2023), carried over to the rows of a decoder-only LLM.
Everything here is a pure function over numpy arrays.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.errors import UsageError
from alignatt4llm.heads.headset import HeadSet

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AlignAttSettings:
    """Thresholds of the gate.

    Attributes
    ----------
    max_inaccessible
        Largest share of a token's source attention that may lie on inaccessible words.
    min_source_mass
        Smallest share of a token's whole attention that must lie on the source; below it the row
        says nothing about where the token comes from.
    """

    max_inaccessible: float = 0.15
    min_source_mass: float = 0.0

    def __post_init__(self) -> None:
        for name in ("max_inaccessible", "min_source_mass"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(
                    f"{name} is {getattr(self, name)}; it is a share and must lie in 0..1."
                )


@dataclass(frozen=True, slots=True)
class TokenEvidence:
    """What the rows say about one draft token.

    Attributes
    ----------
    word
        Source word it looks at most (index into the visible words); -1 when there is none.
    accessible, inaccessible
        Shares of its source attention on words that may, or may not, be relied on.
    source_mass
        Share of its whole attention that lies on the source.
    hold
        Why it is held; empty when it is not.
    """

    word: int
    accessible: float
    inaccessible: float
    source_mass: float
    hold: str = ""


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


def weigh(by_word: Array, source_mass: Array, frontier: int) -> list[TokenEvidence]:
    """Describe each draft token by where in the source it looks.

    Parameters
    ----------
    by_word
        Attention of each draft token over the source words, shape [T, W].
    source_mass
        Share of each token's whole attention on the source, shape [T].
    frontier
        Number of accessible words.
    """
    evidence = []
    for row, mass in zip(by_word, source_mass, strict=True):
        total = float(row.sum())
        accessible = float(row[:frontier].sum()) / total if total > 0 else 0.0
        inaccessible = float(row[frontier:].sum()) / total if total > 0 else 0.0
        peak = int(row.argmax()) if total > 0 else -1
        evidence.append(TokenEvidence(peak, accessible, inaccessible, float(mass)))
    return evidence


def hold_reason(token: TokenEvidence, frontier: int, settings: AlignAttSettings) -> str:
    """Name the first test that a token fails; empty when it may be said."""
    shares = (token.accessible, token.inaccessible, token.source_mass)
    if not np.isfinite(shares).all():
        return "nonfinite"
    if token.word < 0 or token.source_mass < settings.min_source_mass:
        return "source_mass_weak"
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

    def look(
        self, rows: Array, words: NDArray[np.int64], visible: int, frontier: int
    ) -> list[TokenEvidence]:
        """Say of each draft token where it looks and why it must be held, if it must.

        Parameters
        ----------
        rows
            Rows of the alignment heads over the source columns, shape [T, H, S].
        words
            Source word of each column, shape [S].
        visible
            Number of visible words W.
        frontier
            Number of accessible words.
        """
        by_word = words_from_columns(self.heads.combine(rows), words, visible)
        source_mass = rows.sum(-1).mean(-1)  # [T]
        return [
            replace(token, hold=hold_reason(token, frontier, self.settings))
            for token in weigh(by_word, source_mass, frontier)
        ]
