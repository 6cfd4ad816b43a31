"""Keys read back from vLLM's paged cache, in whatever order a backend keeps them."""

from typing import Any

import torch
from torch import Tensor

from alignatt4llm.errors import AlignattError

_BASE = 256
"""Whole numbers up to this are exact in every floating-point type that caches keys."""

_Strides = tuple[tuple[int, ...], tuple[int, ...]]
"""Sizes and strides of the digits, outermost first, that a number is made of."""


class KeyCache:
    """The keys that vLLM holds for one attention layer.

    A block of the cache holds N positions, for each key head N * d numbers of keys and as many of
    values. Backends order them as their kernels like it. The order is not assumed but found: keys
    that say where they belong are written to the first block, which no sequence uses, by the
    backend itself. Where each key then lies gives the strides of a view.

    Parameters
    ----------
    layer
        A vLLM ``Attention`` layer whose cache is allocated; its first block is zeroed.

    Raises
    ------
    AlignattError
        If the backend does not keep every key, unaltered, within its own block and head.

    Attributes
    ----------
    block_size
        Positions in a block, N.
    """

    def __init__(self, layer: Any) -> None:
        order = _find_order(layer)  # [N, d]
        first, last = int(order.min()), int(order.max())
        positions, components = _strides(order[:, 0]), _strides(order[0])
        base = int(order[0, 0])
        if not torch.equal(_places(positions)[:, None] + _places(components), order - base):
            raise _refusal(layer)
        self._digits = _in_runs(positions, components)
        self._base = base - first
        numbers = layer.kv_cache.flatten(2)[..., first : last + 1]
        self._numbers = numbers.unbind(1)  # of each key head, by block
        self.block_size = int(layer.kv_cache.shape[2])

    def products(self, query: Tensor, head: int, blocks: Tensor, shared: int = 0) -> Tensor:
        """Return q·k over all positions of some blocks, in float32.

        Parameters
        ----------
        query
            Queries after norm and rotary embedding of R sequences, float32, shape [R, H, T, d].
        head
            The key head that they read.
        blocks
            Blocks of each sequence in the order of their positions, shape [R, B].
        shared
            How many blocks, from the first on, all sequences have in common, fewer than B; they are
            read once.

        Returns
        -------
        Tensor
            Shape [R, B, O, H T, n]: a block's positions are O runs of n.
        """
        if not shared:
            return self._multiplied(query, head, blocks)
        one = query.reshape(1, 1, -1, query.shape[-1])
        [common] = self._multiplied(one, head, blocks[:1, :shared])  # [s, O, R H T, n]
        common = common.view(*common.shape[:2], len(query), -1, common.shape[-1]).movedim(2, 0)
        return torch.cat([common, self._multiplied(query, head, blocks[:, shared:])], dim=1)

    def _multiplied(self, query: Tensor, head: int, blocks: Tensor) -> Tensor:
        streams, size, packed = len(query), query.shape[-1], self._digits[0][-1]
        if packed == 1:
            return query.reshape(streams, 1, 1, -1, size) @ self._read(blocks, head)
        apart = query.reshape(streams, 1, 1, -1, size // packed, packed).transpose(-2, -1)
        every = apart.flatten(3, 4) @ self._read(blocks, head)  # [R, B, O, H T p, n p]
        paired = every.view(*every.shape[:3], -1, packed, every.shape[-1] // packed, packed)
        return paired.diagonal(dim1=4, dim2=6).sum(-1)

    def _read(self, blocks: Tensor, head: int) -> Tensor:
        """Return the keys of a head in some blocks [R, B], in float32.

        Components may be packed, p of a key together, as matrix instructions want them: shape
        [R, B, O, d / p, n p], in all usual orders a view of one copy.
        """
        # on CPUs index_select copies whole rows; indexing with the tensor takes five times as long
        stored = self._numbers[head].index_select(0, blocks.flatten()).float()
        (streams, count), (sizes, steps) = blocks.shape, self._digits
        whole = stored.shape[1]
        view = stored.as_strided(
            (streams, count, *sizes), (count * whole, whole, *steps), self._base
        )
        run, packed = sizes[-2:]
        keys: Tensor = view.reshape(streams, count, self.block_size // run, -1, run * packed)
        return keys


def _strides(places: Tensor) -> _Strides:
    """Return how places that begin anywhere are counted, if they are."""
    sizes: list[int] = []
    strides: list[int] = []
    rest = places - places[0]
    while len(rest) > 1:
        stride = int(rest[1])
        off = (rest != stride * torch.arange(len(rest), device=rest.device)).nonzero()
        size = int(off[0]) if len(off) else len(rest)
        sizes.insert(0, size)
        strides.insert(0, stride)
        rest = rest[::size]
    return tuple(sizes) or (1,), tuple(strides) or (0,)


def _in_runs(positions: _Strides, components: _Strides) -> _Strides:
    """Return the digits of runs, of a key's components, of a run, and of components packed."""
    (sizes, steps), (counts, apart) = positions, components
    if len(counts) == 1 or (steps[-1], apart[-1]) != (counts[-1], 1):
        counts, apart = (*counts, 1), (*apart, 1)  # none packed
    return (
        (*sizes[:-1], *counts[:-1], sizes[-1], counts[-1]),
        (*steps[:-1], *apart[:-1], steps[-1], 1),
    )


def _places(strides: _Strides) -> Tensor:
    """Return the places that strides lead to, from 0 on."""
    sizes, steps = strides
    places = torch.zeros((), dtype=torch.long)
    for size, step in zip(sizes, steps, strict=True):
        places = places[..., None] + step * torch.arange(size)
    return places.flatten()


@torch.inference_mode()
def _find_order(layer: Any) -> Tensor:
    """Return where in a block's numbers, flattened per head, each key component is: [N, d]."""
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
    return order.view(count, size).cpu()


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
