"""Attention rows from captured queries and keys: the maths, once, for every engine."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class AttentionForm:
    """The constants of one layer's attention.

    Attributes
    ----------
    scale
        What q·k is multiplied by.
    window
        Keys at a distance of ``window`` or more are masked; None when every key is seen.
    softcap
        Logits become ``softcap * tanh(logits / softcap)``; None when they are not capped.
    """

    scale: float
    window: int | None = None
    softcap: float | None = None


def attention_rows(
    query: Tensor,
    key: Tensor,
    heads: list[int],
    positions: Tensor,
    form: AttentionForm,
    *,
    first_key: int = 0,
    sinks: Tensor | None = None,
) -> Tensor:
    """Recompute the rows that the model's own attention had, in float32.

    The softmax runs over the whole causal row, softmax(scale · q kᵀ + mask), so that prompt and
    draft keep their share; callers then take the source columns.

    Parameters
    ----------
    query
        Queries after norm and rotary embedding, shape [H_q, T, d].
    key
        Keys after norm and rotary embedding, shape [H_kv, L, d]; query head h reads key head
        ``h // (H_q / H_kv)``.
    heads
        Query heads wanted, length H.
    positions
        Absolute position of each query, shape [T].
    form
        Scale, window and softcap of the layer.
    first_key
        Absolute position of the first key: above 0 where a sliding cache has dropped keys.
    sinks
        Learned extra logit per query head, shape [H_q], in models that have attention sinks.

    Returns
    -------
    Tensor
        Rows over the keys, float32, shape [H, T, L].
    """
    group = query.shape[0] // key.shape[0]
    wanted = torch.tensor(heads, device=query.device)
    q = query[wanted].float()  # [H, T, d]
    k = key[wanted // group].float()  # [H, L, d]
    logits = form.scale * (q @ k.transpose(1, 2))  # [H, T, L]
    if form.softcap is not None:
        logits = form.softcap * torch.tanh(logits / form.softcap)
    distance = positions[:, None] - (first_key + torch.arange(key.shape[1], device=key.device))
    masked = distance < 0  # [T, L]
    if form.window is not None:
        masked |= distance >= form.window
    logits = logits.masked_fill(masked, -torch.inf)
    if sinks is None:
        return torch.softmax(logits, dim=-1)
    column = sinks[wanted].float()[:, None, None].expand(-1, logits.shape[1], 1)
    return torch.softmax(torch.cat([logits, column], dim=-1), dim=-1)[..., :-1]
