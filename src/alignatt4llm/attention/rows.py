"""Attention from queries and keys: the maths, once, for every engine."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


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
    sinks
        Learned extra logit per query head, shape [H_q], in models that have attention sinks.
    """

    scale: float
    window: int | None = None
    softcap: float | None = None
    sinks: Tensor | None = None


def attend(query: Tensor, key: Tensor, value: Tensor, form: AttentionForm) -> Tensor:
    """Return the attention output of the last T positions of a context of L.

    Parameters
    ----------
    query
        Queries after norm and rotary embedding, shape [H_q, T, d].
    key, value
        Keys and values of the whole context, shape [H_kv, L, d].
    form
        Scale, window, softcap and sinks of the layer.

    Returns
    -------
    Tensor
        Shape [H_q, T, d].
    """
    if form.softcap is None and form.sinks is None:
        mask = _mask(query.shape[1], key.shape[1], form.window, query.device)
        return scaled_dot_product_attention(
            query[None],
            key[None],
            value[None],
            attn_mask=None if mask is None else ~mask,
            scale=form.scale,
            enable_gqa=True,
        )[0]
    rows = attention_rows(query, key, list(range(query.shape[0])), form)
    group = query.shape[0] // key.shape[0]
    return rows.to(value.dtype) @ value.repeat_interleave(group, dim=0)


def attention_rows(query: Tensor, key: Tensor, heads: list[int], form: AttentionForm) -> Tensor:
    """Recompute the rows that the model's own attention had, in float32.

    The softmax runs over the whole causal row, softmax(scale · q kᵀ + mask), so that prompt and
    draft keep their share; callers then take the source columns.

    Parameters
    ----------
    query
        Queries after norm and rotary embedding of the last T positions, shape [H_q, T, d].
    key
        Keys of the whole context, shape [H_kv, L, d]; query head h reads key head
        ``h // (H_q / H_kv)``.
    heads
        Query heads wanted, length H.
    form
        Scale, window, softcap and sinks of the layer.

    Returns
    -------
    Tensor
        Rows over the keys, shape [H, T, L].
    """
    group = query.shape[0] // key.shape[0]
    mask = _mask(query.shape[1], key.shape[1], form.window, query.device)
    keys = key[[head // group for head in heads]]
    sinks = None if form.sinks is None else form.sinks[heads]
    return masked_rows(query[heads], keys, mask, replace(form, sinks=sinks))


def masked_rows(query: Tensor, key: Tensor, mask: Tensor | None, form: AttentionForm) -> Tensor:
    """Return softmax(scale · q kᵀ + mask) in float32, for one stream or a batch of them.

    Parameters
    ----------
    query
        Shape [..., H, T, d].
    key
        The keys that each of these heads reads, shape [..., H, L, d].
    mask
        True where a query may not see a key, shape broadcasting to [..., H, T, L].
    form
        Scale, softcap, and sinks of these heads, shape [H]; the window is in the mask.

    Returns
    -------
    Tensor
        Shape [..., H, T, L].
    """
    logits = form.scale * (query.float() @ key.float().transpose(-1, -2))
    if form.softcap is not None:
        logits = form.softcap * torch.tanh(logits / form.softcap)
    if mask is not None:
        logits = logits.masked_fill(mask, -torch.inf)
    if form.sinks is None:
        return torch.softmax(logits, dim=-1)
    column = form.sinks.float()[:, None, None].expand(*logits.shape[:-1], 1)
    return torch.softmax(torch.cat([logits, column], dim=-1), dim=-1)[..., :-1]


def _mask(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor | None:
    """Return which keys each of the last ``queries`` positions may not see, shape [T, L]."""
    if queries == 1 and (window is None or keys <= window):
        return None
    positions = torch.arange(keys, device=device)
    distance = positions[keys - queries :, None] - positions
    masked = distance < 0
    if window is not None:
        masked |= distance >= window
    return masked
