"""Attention from queries and keys: the maths, once, for every engine."""

from collections.abc import Sequence
from dataclasses import dataclass

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
    if query.device.type != "cpu" and form.softcap is None and form.sinks is None:
        mask = _mask(query.shape[1], key.shape[1], form.window, query.device)
        return scaled_dot_product_attention(
            query[None],
            key[None],
            value[None],
            attn_mask=None if mask is None else ~mask,
            scale=form.scale,
            enable_gqa=True,
        )[0]
    if query.device.type == "cpu":
        # half precision would compile, and keep, a kernel for every length of the context
        return _attend(query.float(), key.float(), value.float(), form).to(value.dtype)
    return _attend(query, key, value, form)


def _attend(query: Tensor, key: Tensor, value: Tensor, form: AttentionForm) -> Tensor:
    """Attention written out: on a CPU several times faster than the fused kernel, for so little."""
    rows = _softmax(_logits(query, key), form, range(query.shape[0]))  # [H_q, T, L]
    together = rows.to(value.dtype).view(key.shape[0], -1, key.shape[1])  # [H_kv, G T, L]
    return (together @ value).view(query.shape)


def attention_rows(query: Tensor, key: Tensor, heads: Sequence[int], form: AttentionForm) -> Tensor:
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
    q = query[list(heads)].float()  # [H, T, d]
    k = key[[head // group for head in heads]].float()  # [H, L, d]
    return _softmax(_logits(q, k), form, heads)


def _logits(query: Tensor, key: Tensor) -> Tensor:
    """Return q·k, shape [H_q, T, L]; the query heads of a key head are multiplied together."""
    heads, queries, size = query.shape
    grouped = query.reshape(key.shape[0], -1, size)  # [H_kv, G T, d]
    return (grouped @ key.transpose(1, 2)).view(heads, queries, -1)


def _softmax(products: Tensor, form: AttentionForm, heads: Sequence[int]) -> Tensor:
    """Return rows of the last T positions, shape [H, T, L]."""
    mask = _mask(products.shape[1], products.shape[2], form.window, products.device)
    sinks = None if form.sinks is None else form.sinks[list(heads)]
    return masked_rows(products, mask, form, sinks)


def masked_rows(
    products: Tensor, mask: Tensor | None, form: AttentionForm, sinks: Tensor | None
) -> Tensor:
    """Return softmax(scale · products + mask) in float32, for one stream or a batch of them.

    Parameters
    ----------
    products
        q·k, shape [..., H, T, L].
    mask
        True where a query may not see a key, of a shape that broadcasts to that of ``products``.
    form
        Scale and softcap; the window is in the mask.
    sinks
        Learned extra logit of each head, shape [H].

    Returns
    -------
    Tensor
        Shape [..., H, T, L].
    """
    logits = form.scale * products.float()
    if form.softcap is not None:
        logits = form.softcap * torch.tanh(logits / form.softcap)
    if mask is not None:
        logits = logits.masked_fill(mask, -torch.inf)
    if sinks is None:
        return torch.softmax(logits, dim=-1)
    column = sinks.float()[:, None, None].expand(*logits.shape[:-1], 1)
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
