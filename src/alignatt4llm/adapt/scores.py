"""How well held-out sentences are translated, and where heads look meanwhile."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import StoppingCriteria

from alignatt4llm.adapt.encode import Encoded
from alignatt4llm.adapt.lessons import Lesson
from alignatt4llm.adapt.losses import Batch, guided_loss, token_loss
from alignatt4llm.adapt.student import Student
from alignatt4llm.calibrate.observe import Observation
from alignatt4llm.calibrate.scores import auc, evidence, hits, inaccessible
from alignatt4llm.errors import extra
from alignatt4llm.heads.headset import Head
from alignatt4llm.translators.vocabulary import Vocabulary

SIDE_BY_SIDE = 8
"""Lessons that are measured in one pass."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What held-out lessons say of a model.

    Attributes
    ----------
    loss
        Mean surprise at a token that is to be said, in nats.
    guided
        Mean surprise at where to look, in nats; NaN without heads.
    chrf, chrf_prefix
        chrF of whole sentences, and of what can be said after the first words, greedily drafted.
    accuracy
        Share of the tokens of whole sentences whose peak word, in the mean of the heads' rows, is
        one they translate.
    auc
        How well the inaccessible share of that row tells tokens whose source is not accessible, on
        prefixes; the area under the ROC curve.
    """

    loss: float
    guided: float
    chrf: float
    chrf_prefix: float
    accuracy: float
    auc: float

    def described(self) -> dict[str, float | None]:
        """Return the figures, rounded; None where there is none."""
        return {
            name: None if np.isnan(value) else round(value, 4)
            for name, value in asdict(self).items()
        }


def score(
    student: Student,
    lessons: Sequence[Lesson],
    encoded: Sequence[Encoded],
    heads: Sequence[Head],
) -> Scores:
    """Measure a model on lessons.

    Parameters
    ----------
    student
        The model.
    lessons, encoded
        Whole ones and prefixes, and the same in tokens.
    heads
        Whose rows are read.
    """
    seen = observe(student, encoded, heads)
    drafts = [text for part in _parts(encoded) for text in draft(student, part)]
    said = [one.target[: one.said] for one in lessons]
    texts = list(zip(drafts, said, [one.is_whole for one in lessons], strict=True))
    return Scores(
        seen.loss,
        seen.guided,
        _chrf([(draft, right) for draft, right, whole in texts if whole]),
        _chrf([(draft, right) for draft, right, whole in texts if right and not whole]),
        float(accuracy(seen.rows)[0]) if heads else float("nan"),
        truncation_auc(seen.rows) if heads else float("nan"),
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """Mean losses over lessons, and where heads looked in each."""

    loss: float
    guided: float
    rows: Sequence[Observation]


@torch.no_grad()
def observe(student: Student, encoded: Sequence[Encoded], heads: Sequence[Head]) -> Seen:
    """Feed lessons as they should be said and see what is made of it."""
    losses: list[tuple[float, int]] = []
    guided: list[tuple[float, int]] = []
    seen = []
    for part in _parts(encoded):
        batch = Batch.of(part, student.device)
        logits, rows = student.read(batch, heads)
        losses.append((float(token_loss(logits, batch.labels)), len(batch.labels)))
        guided.append((float(guided_loss(rows, batch.source, batch.right)), len(batch.rows)))
        counts = [len(one.looks()[0]) for one in part]
        seen += [
            _observation(one, each.float().cpu().numpy())
            for one, each in zip(part, torch.split(rows, counts), strict=True)
        ]
    return Seen(_mean(losses), _mean(guided) if heads else float("nan"), seen)


def _mean(parts: Sequence[tuple[float, int]]) -> float:
    count = sum(number for _, number in parts)
    return sum(value * number for value, number in parts) / count if count else float("nan")


def _observation(one: Encoded, rows: NDArray[np.float32]) -> Observation:
    """Return the rows, [M, H, L], of the aligned tokens as calibration reads them."""
    aligned = one.gold[one.gold.any(1)]
    seen = rows[:, :, one.columns].astype(np.float16)
    seen = np.concatenate([seen, seen[-1:]])  # no own row follows the last
    return Observation(seen, np.zeros((0, 0), np.int16), one.words, aligned, one.frontier)


def accuracy(seen: Sequence[Observation], *, each: bool = False) -> NDArray[np.float64]:
    """Return the share of tokens of whole sentences whose peak word is one they translate.

    Returns
    -------
    ndarray
        Of the mean of the heads' rows, shape [1]; with ``each`` of every head, shape [H]. NaN if
        there is none.
    """
    found = []
    for one in seen:
        at = evidence(one, "predicting")
        if not at.late.any():
            found.append(hits(at.rows if each else at.rows.mean(1, keepdims=True), at))
    share: NDArray[np.float64] = np.concatenate(found).mean(0) if found else np.full(1, np.nan)
    return share


def truncation_auc(seen: Sequence[Observation]) -> float:
    """Return how well the inaccessible share of the mean row tells tokens that are not accessible.

    It is the area under the ROC curve over prefixes; NaN if there is none.
    """
    shares, late = [], []
    for one in seen:
        at = evidence(one, "predicting")
        if at.late.any():
            shares.append(inaccessible(at.rows.mean(1), at))
            late.append(at.late)
    return auc(np.concatenate(shares), np.concatenate(late)) if shares else float("nan")


def _parts(encoded: Sequence[Encoded]) -> list[Sequence[Encoded]]:
    starts = range(0, len(encoded), SIDE_BY_SIDE)
    return [encoded[start : start + SIDE_BY_SIDE] for start in starts]


class _Ended(StoppingCriteria):  # type: ignore[misc]
    """Each draft stops where a session would end it."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> Any:
        """Say which drafts have ended, shape [B]."""
        ended = [self._vocabulary.ends(token) for token in input_ids[:, -1].tolist()]
        return torch.tensor(ended, device=input_ids.device)


@torch.no_grad()
def draft(student: Student, encoded: Sequence[Encoded]) -> list[str]:
    """Say greedily what follows each lesson's prompt."""
    longest = max(one.prompt for one in encoded)
    lefts = [longest - one.prompt for one in encoded]
    ids = torch.tensor(
        [[0] * left + one.ids[: one.prompt] for left, one in zip(lefts, encoded, strict=True)]
    )
    mask = torch.tensor([[0] * left + [1] * (longest - left) for left in lefts])
    budgets = [24 + 2 * len(one.columns) for one in encoded]
    said = student.model.generate(
        ids.to(student.device),
        attention_mask=mask.to(student.device),
        max_new_tokens=max(budgets),
        do_sample=False,
        stopping_criteria=[_Ended(student.vocabulary)],
        pad_token_id=0,
    )
    return [
        _text(student.vocabulary, one, tokens[:budget])
        for one, budget, tokens in zip(encoded, budgets, said[:, longest:].tolist(), strict=True)
    ]


def _text(vocabulary: Vocabulary, one: Encoded, tokens: list[int]) -> str:
    """Return what was said up to the end, with what had been said before."""
    end = next((n for n, token in enumerate(tokens) if vocabulary.ends(token)), len(tokens))
    text, _ = vocabulary.decode(
        one.ids[: one.first], [*one.ids[one.first : one.prompt], *tokens[:end]]
    )
    return text.strip()


def _chrf(texts: Sequence[tuple[str, str]]) -> float:
    with extra("adapt", "Scoring translations"):
        from sacrebleu.metrics import CHRF
    if not texts:
        return float("nan")
    drafts, right = zip(*texts, strict=True)
    return float(CHRF().corpus_score(list(drafts), [list(right)]).score)
