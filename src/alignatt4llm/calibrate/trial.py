"""Cross-validation: how many heads, and which row, generalise to other sentences."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from alignatt4llm.calibrate.gather import Seen
from alignatt4llm.calibrate.scores import Evidence, auc, evidence, hits, inaccessible, mean_ts
from alignatt4llm.calibrate.select import Choice, Tokens, grow
from alignatt4llm.heads.headset import Array, Head, HeadSet, Row

SEED = 13
LATER = 0.05
"""Share by which a row that exists one token later must lower the loss to be taken."""


class Trial:
    """Heads are chosen on each of two random halves of the sentences and measured on the other.

    Parameters
    ----------
    seen
        What was observed of each sentence.
    row
        The row that is read.
    most
        Most heads in a set.

    Attributes
    ----------
    count
        The smallest number of heads whose loss is within a standard error of the least.
    losses
        Mean negative log-likelihood of a token by number of heads, from 1 on.
    accuracy, auc
        Source-word accuracy on whole sentences and truncation AUC of ``count`` heads.
    """

    def __init__(self, seen: Sequence[Seen], row: Row, most: int) -> None:
        order = np.random.default_rng(SEED).permutation(len(seen))
        self._halves = [[seen[n] for n in order[half::2]] for half in (0, 1)]
        whole = [[evidence(one.whole, row) for one in half] for half in self._halves]
        cut = [[evidence(x, row) for one in half for x in one.truncated] for half in self._halves]
        tokens = [Tokens([*a, *b]) for a, b in zip(whole, cut, strict=True)]
        self._paths = [grow(one, most) for one in tokens]
        losses = np.array(
            [
                np.concatenate([tokens[1].loss(first), tokens[0].loss(second)])
                for first, second in zip(*self._paths, strict=True)
            ]
        )  # [most, N]
        self.losses = losses.mean(1)
        best = int(self.losses.argmin())
        error = (losses - losses[best]).std(1) / np.sqrt(losses.shape[1])
        self.count = 1 + int(np.argmax(self.losses <= self.losses[best] + error))
        self.accuracy = self._accuracy(whole)
        self.auc = self._auc(cut)

    def beats(self, other: "Trial") -> bool:
        """Whether its loss is lower by the share that makes up for a row that comes later."""
        return bool(self.loss < (1 - LATER) * other.loss)

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood of a token with ``count`` heads."""
        return float(self.losses[self.count - 1])

    def described(self) -> dict[str, Any]:
        """Return its figures for the artefact."""
        return {
            "heads": self.count,
            "source_word_accuracy": round(self.accuracy, 4),
            "truncation_auc": round(self.auc, 4),
            "loss_by_heads": [round(float(loss), 4) for loss in self.losses],
        }

    def stability(self, every: Sequence[Head]) -> dict[str, Any]:
        """Say how far the halves agree: heads they both choose, and the TS of every head."""
        first, second = ({every[n] for n in choice.heads} for choice in self._chosen)
        scores = [mean_ts([one.whole for one in half], first=1) for half in self._halves]
        return {
            "shared_heads": sorted(first & second),
            "of": self.count,
            "largest_ts_difference": round(float(np.abs(scores[0] - scores[1]).max()), 4),
        }

    @property
    def _chosen(self) -> list[Choice]:
        return [path[self.count - 1] for path in self._paths]

    def _accuracy(self, whole: Sequence[Sequence[Evidence]]) -> float:
        found = [
            hits(_combined(choice, one.rows), one)
            for choice, half in zip(self._chosen, whole[::-1], strict=True)
            for one in half
        ]
        return float(np.concatenate(found).mean())

    def _auc(self, cut: Sequence[Sequence[Evidence]]) -> float:
        read = list(zip(self._chosen, cut[::-1], strict=True))
        masses = [inaccessible(_combined(c, one.rows), one) for c, half in read for one in half]
        late = [one.late for _, half in read for one in half]
        return auc(np.concatenate(masses), np.concatenate(late))


def _combined(choice: Choice, rows: Array) -> Array:
    heads = HeadSet("", "", tuple((0, head) for head in choice.heads), weights=choice.weights)
    return heads.combine(rows[:, list(choice.heads)])
