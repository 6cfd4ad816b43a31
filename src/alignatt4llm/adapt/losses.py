"""What is made small: surprise at what is to be said, and at where to look meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from alignatt4llm.adapt.encode import Encoded
from alignatt4llm.heads.headset import FLOOR

IGNORED = 0
"""Token that fills up shorter sequences; it is never looked at."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Lessons side by side, the shorter ones filled up at the right.

    Attributes
    ----------
    ids, mask
        Tokens, and 1 where there is one, shape [B, L].
    places
        After which tokens something is to be said, as (lesson, position), shape [N, 2].
    labels
        What, shape [N].
    rows
        Where rows are taught, as (lesson, position), shape [M, 2].
    source
        Which positions are source tokens, of the lesson of each row, shape [M, L].
    right
        Which of these are right to look at, shape [M, L].
    """

    ids: Tensor
    mask: Tensor
    places: Tensor
    labels: Tensor
    rows: Tensor
    source: Tensor
    right: Tensor

    @classmethod
    def of(cls, lessons: Sequence[Encoded], device: torch.device | str = "cpu") -> "Batch":
        """Put lessons side by side."""
        length = max(len(one.ids) for one in lessons)
        ids = torch.full((len(lessons), length), IGNORED)
        mask = torch.zeros_like(ids)
        rows: list[tuple[int, int]] = []
        source, right = [], []
        for n, one in enumerate(lessons):
            ids[n, : len(one.ids)] = torch.tensor(one.ids)
            mask[n, : len(one.ids)] = 1
            places, wanted = one.looks()
            rows += [(n, place) for place in places]
            columns = torch.from_numpy(one.columns)
            for each in torch.from_numpy(wanted):
                source.append(_spread(columns, torch.ones_like(each), length))
                right.append(_spread(columns, each, length))
        none = torch.zeros(0, length, dtype=torch.bool)
        tensors = (
            ids,
            mask,
            torch.tensor([(n, place) for n, one in enumerate(lessons) for place in one.places]),
            torch.tensor([label for one in lessons for label in one.labels]),
            torch.tensor(rows, dtype=torch.long).view(-1, 2),
            torch.stack(source) if source else none,
            torch.stack(right) if right else none,
        )
        return cls(*(tensor.to(device) for tensor in tensors))


def _spread(columns: Tensor, values: Tensor, length: int) -> Tensor:
    spread = torch.zeros(length, dtype=torch.bool)
    spread[columns] = values
    return spread


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean surprise at what is to be said, in nats.

    Parameters
    ----------
    logits
        Shape [N, V].
    labels
        Shape [N].
    """
    return cross_entropy(logits.float(), labels)


def guided_loss(rows: Tensor, source: Tensor, right: Tensor) -> Tensor:
    """Return the mean surprise, in nats, at where the right source columns are.

    A head's row, over the source alone, is taken for the probability that a token translates each
    column.

    Parameters
    ----------
    rows
        Attention of each head over the whole context, shape [M, H, L].
    source, right
        Source columns, and those that are right, shape [M, L].

    Returns
    -------
    Tensor
        A scalar; 0 if there are no rows.
    """
    if not rows.numel():
        return rows.new_zeros(())
    rows = rows.float()
    mass = (rows * source[:, None]).sum(-1)  # [M, H]
    found = (rows * right[:, None]).sum(-1)
    return -torch.log(found / mass.clamp_min(1e-9) + FLOOR).mean()
