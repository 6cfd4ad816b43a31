"""Keys read back from vLLM's paged cache, in whatever order a backend keeps them."""

from typing import Any

import torch
from torch import Tensor

from alignatt4llm.errors import AlignattError

_BASE = 256
"""Whole numbers up to this are exact in every floating-point type that caches keys."""


class KeyCache:
    """The keys that vLLM holds for one attention layer.

    A block of the cache holds N positions, for each key head N * d numbers of keys and as many of
    values. Backends order them as their kernels like it. The order is not assumed but found: keys
    that say where they belong are written to the first block, which no sequence uses, by the
    backend itself.

    Parameters
    ----------
    layer
        A vLLM ``Attention`` layer whose cache is allocated; its first block is zeroed.

    Raises
    ------
    AlignattError
        If the backend does not keep every key, unaltered, within its own block and head.
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._order = _find_order(layer)

    @property
    def block_size(self) -> int:
        """Positions in a block."""
        return int(self._layer.kv_cache.shape[2])

    def read(self, blocks: Tensor, heads: Tensor) -> Tensor:
        """Return keys after norm and rotary embedding.

        Parameters
        ----------
        blocks
            Blocks of R sequences in the order of their positions, shape [R, B].
        heads
            Key head wanted for each of H query heads, shape [H].

        Returns
        -------
        Tensor
            Shape [R, H, B * N, d].
        """
        stored = self._layer.kv_cache[blocks[:, :, None], heads]  # [R, B, H, N, 2 d]
        keys = stored.flatten(-2)[..., self._order]  # [R, B, H, N * d]
        keys = keys.unflatten(-1, (self.block_size, -1)).transpose(1, 2)  # [R, H, B, N, d]
        read: Tensor = keys.flatten(2, 3)
        return read


@torch.inference_mode()
def _find_order(layer: Any) -> Tensor:
    """Return where in a block's numbers, flattened per head, each key component is: [N * d]."""
    cache, size = layer.kv_cache, layer.head_size
    if not hasattr(layer.impl, "do_kv_cache_update") or cache.dim() != 4:
        raise _refusal(layer)
    count = int(cache.shape[2])
    marks = torch.arange(count * size, device=cache.device)
    found = torch.zeros(cache.shape[1], cache[0, 0].numel(), dtype=torch.long, device=cache.device)
    weight = 1
    while weight < len(marks):
        found += weight * _written(layer, (marks // weight % _BASE).reshape(count, size))
        weight *= _BASE
    cache[0].zero_()
    places = (found[0] >= 0).nonzero()[:, 0]
    order = places[found[0, places].argsort()]
    if not (torch.equal(found[0, order], marks) and bool((found == found[0]).all())):
        raise _refusal(layer)
    return order


def _written(layer: Any, digits: Tensor) -> Tensor:
    """Have the backend fill the first block with these keys, and values of -1; read it raw."""
    cache, (count, size) = layer.kv_cache, digits.shape
    keys = digits.to(layer.dtype)[:, None].expand(count, layer.num_kv_heads, size).contiguous()
    values = keys.new_full((count, layer.num_kv_heads, layer.head_size_v), -1)
    cache[0].zero_()
    slots = torch.arange(count, device=cache.device)
    layer.impl.do_kv_cache_update(layer, keys, values, cache, slots)
    raw: Tensor = cache[0].flatten(1).round().long()
    return raw


def _refusal(layer: Any) -> AlignattError:
    return AlignattError(
        f"Keys cannot be read from the cache of the attention backend "
        f"{layer.attn_backend.get_name()} with key type '{layer.kv_cache_dtype}'; start vLLM with "
        "an unquantised cache and CPU_ATTN, FLASH_ATTN, TRITON_ATTN, FLASHINFER or FLEX_ATTENTION."
    )
