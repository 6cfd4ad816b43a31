"""Rows of a step, read beside it: which are wanted, and one batched computation a layer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from alignatt4llm.attention.rows import AttentionForm, masked_rows

if TYPE_CHECKING:
    from alignatt4llm.translators.vllm.capture import QueryTap
    from alignatt4llm.translators.vllm.keys import KeyCache

EXTRA = "alignatt"
"""Where a request's ``extra_args`` say which rows it wants."""


@dataclass(slots=True)
class Wanted:
    """The rows that one running request wants.

    Attributes
    ----------
    key
        Under which they are kept until taken.
    first
        The first position whose row is wanted.
    heads
        (layer, head) of each row; lists of two, as they come over a wire, will do.
    columns
        Positions of the keys over which they are wanted.
    blocks
        Blocks of the cache that hold the request, one list for each cache group.
    """

    key: str
    first: int
    heads: Sequence[Sequence[int]]
    columns: list[int]
    blocks: list[list[int]]

    def __post_init__(self) -> None:
        self.heads = tuple((layer, head) for layer, head in self.heads)


@dataclass(frozen=True, slots=True)
class Part:
    """Positions ``begin`` to ``end`` of a request, computed in one step."""

    wanted: Wanted
    begin: int
    end: int


class Ledger:
    """Knows, from what vLLM schedules, which rows each step has to give."""

    def __init__(self) -> None:
        self._wanted: dict[str, Wanted] = {}

    def parts(self, scheduled: Any) -> list[Part]:
        """Follow a ``SchedulerOutput``; return what is wanted of its step."""
        found = []
        for request in scheduled.scheduled_new_reqs:
            extra = getattr(request.sampling_params, "extra_args", None) or {}
            if EXTRA in extra:
                blocks = [list(group) for group in request.block_ids]
                self._wanted[request.req_id] = Wanted(**extra[EXTRA], blocks=blocks)
                found.append((request.req_id, request.num_computed_tokens))
        cached = scheduled.scheduled_cached_reqs
        for name, new, computed in zip(
            cached.req_ids, cached.new_block_ids, cached.num_computed_tokens, strict=True
        ):
            if wanted := self._wanted.get(name):
                if name in cached.resumed_req_ids:
                    wanted.blocks = [[] for _ in wanted.blocks]
                for group, fresh in zip(wanted.blocks, new or (), strict=False):
                    group.extend(fresh)
                found.append((name, computed))
        parts = [self._part(name, at, scheduled.num_scheduled_tokens[name]) for name, at in found]
        return [part for part in parts if part.begin < part.end]

    def _part(self, name: str, computed: int, count: int) -> Part:
        wanted = self._wanted[name]
        return Part(wanted, max(computed, wanted.first), computed + count)

    def finished(self, names: Iterable[str]) -> list[str]:
        """Forget requests; return the keys under which their rows are kept."""
        gone = [self._wanted.pop(name) for name in names if name in self._wanted]
        return [wanted.key for wanted in gone]


@dataclass(frozen=True, slots=True)
class Layer:
    """What rows of one layer are read from.

    Attributes
    ----------
    tap, keys
        Its queries and keys.
    form
        Scale, window, softcap and sinks.
    first_head, heads, key_heads
        The first of the query heads that this worker has, how many, and how many key heads.
    group, block_size
        Its cache group, and positions in one of the group's blocks as vLLM allots them.
    """

    tap: "QueryTap"
    keys: "KeyCache"
    form: AttentionForm
    first_head: int
    heads: int
    key_heads: int
    group: int
    block_size: int

    def has(self, head: int) -> bool:
        """Whether this worker has a query head of the layer."""
        return 0 <= head - self.first_head < self.heads


@dataclass(slots=True)
class StepRows:
    """Computes the rows of a step from the queries it left and the keys in the cache."""

    layers: dict[int, Layer]
    device: torch.device

    @torch.inference_mode()
    def compute(self, parts: Sequence[Part], tokens: int) -> list[Tensor]:
        """Return rows [T, H, S] of each part of a step of so many tokens.

        Heads of other workers are 0.
        """
        rows: dict[int, Tensor] = {}
        for heads in dict.fromkeys(part.wanted.heads for part in parts):
            alike = [n for n, part in enumerate(parts) if part.wanted.heads == heads]
            found = self._together(heads, [parts[n] for n in alike], tokens)
            rows.update(zip(alike, found, strict=True))
        return [
            rows[n][: part.end - part.begin, :, : len(part.wanted.columns)]
            for n, part in enumerate(parts)
        ]

    def _together(
        self, heads: Sequence[Sequence[int]], parts: Sequence[Part], tokens: int
    ) -> Tensor:
        """Return the rows of parts that want the same heads, [R, T, H, S], padded at the end."""
        positions = self._padded([range(part.begin, part.end) for part in parts])  # [R, T]
        columns = self._padded([part.wanted.columns for part in parts])  # [R, S]
        shape = (*positions.shape, len(heads), columns.shape[1])
        rows = torch.zeros(shape, device=self.device)
        for index, layer in self.layers.items():
            places = [n for n, head in enumerate(heads) if head[0] == index and layer.has(head[1])]
            if places:
                here = [heads[n][1] - layer.first_head for n in places]
                weights = self._weights(layer, here, parts, positions, tokens)  # [R, h, T, L]
                wanted = columns[:, None, None].expand(*weights.shape[:3], -1)
                rows[:, :, places] = weights.gather(-1, wanted).transpose(1, 2)
        return rows

    def _weights(
        self,
        layer: Layer,
        heads: list[int],
        parts: Sequence[Part],
        positions: Tensor,
        tokens: int,
    ) -> Tensor:
        """Return whole rows of some heads at positions [R, T], shape [R, h, T, L]."""
        size = layer.keys.block_size
        tables = self._padded([_table(part, layer, size) for part in parts])  # [R, B]
        slots = tables.gather(1, positions // size) * size + positions % size
        query = layer.tap.at(slots, tokens)[:, :, heads].transpose(1, 2)  # [R, h, T, d]
        group = layer.heads // layer.key_heads
        products = layer.keys.products(query, [head // group for head in heads], tables)
        distance = positions[:, :, None] - torch.arange(products.shape[-1], device=self.device)
        mask = distance < 0
        if layer.form.window is not None:
            mask |= distance >= layer.form.window
        sinks = None if layer.form.sinks is None else layer.form.sinks[heads]
        return masked_rows(products, mask[:, None], layer.form, sinks)

    def _padded(self, lists: Sequence[Sequence[int]]) -> Tensor:
        """Stack lists of whole numbers, the shorter ones filled up with 0."""
        width = max(map(len, lists))
        filled = [[*numbers, *[0] * (width - len(numbers))] for numbers in lists]
        return torch.tensor(filled, dtype=torch.long).to(self.device, non_blocking=True)


def _table(part: Part, layer: Layer, size: int) -> list[int]:
    """Return the cache's own blocks, of which vLLM may allot several as one, up to the end."""
    ratio = layer.block_size // size
    allotted = part.wanted.blocks[layer.group]
    table = [block * ratio + n for block in allotted for n in range(ratio)]
    return table[: -(-part.end // size)]
