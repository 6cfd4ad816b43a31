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

    @property
    def kind(self) -> tuple[object, ...]:
        """The same for layers whose keys lie at the same places and are weighed alike."""
        form = self.form
        weighing = form.scale, form.window, form.softcap, form.sinks is None
        return (*weighing, self.group, self.keys.block_size)

    def has(self, head: int) -> bool:
        """Whether this worker has a query head of the layer."""
        return 0 <= head - self.first_head < self.heads


@dataclass(frozen=True, slots=True)
class Reading:
    """Which rows are read of one layer.

    Attributes
    ----------
    layer
        What they are read from.
    places
        Where in the rows its heads stand, length h.
    heads, key_heads
        Query head of each, shape [h], and the key head it reads, length h.
    """

    layer: Layer
    places: list[int]
    heads: Tensor
    key_heads: list[int]


@dataclass(frozen=True, slots=True)
class Span:
    """Where the parts of a step lie in one group of the cache.

    Attributes
    ----------
    tables
        Blocks of each part in the order of their positions, shape [R, B].
    slots
        Slot of each position, shape [R, T].
    """

    tables: Tensor
    slots: Tensor


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
        columns = self._padded([part.wanted.columns for part in parts])[:, None, None]
        rows = torch.zeros(
            *positions.shape, len(heads), columns.shape[-1], device=self.device
        )  # [R, T, H, S]
        for readings in self._readings(heads):
            weights = self._weights(readings, parts, positions, tokens)  # [R, h, T, L]
            wanted = columns.expand(*weights.shape[:3], -1)
            places = [place for reading in readings for place in reading.places]
            rows[:, :, places] = weights.gather(-1, wanted).transpose(1, 2)
        return rows

    def _readings(self, heads: Sequence[Sequence[int]]) -> list[list[Reading]]:
        """Return what is read of each layer; layers together that weigh their keys alike."""
        alike: dict[tuple[object, ...], list[Reading]] = {}
        for index, layer in self.layers.items():
            places = [n for n, head in enumerate(heads) if head[0] == index and layer.has(head[1])]
            if places:
                here = torch.tensor([heads[n][1] - layer.first_head for n in places])
                group = layer.heads // layer.key_heads
                reading = Reading(layer, places, here.to(self.device), (here // group).tolist())
                alike.setdefault(layer.kind, []).append(reading)
        return list(alike.values())

    def _weights(
        self, readings: Sequence[Reading], parts: Sequence[Part], positions: Tensor, tokens: int
    ) -> Tensor:
        """Return whole rows at positions [R, T] of layers of one kind, shape [R, h, T, L]."""
        span = self._span(readings[0].layer, parts, positions)
        products = torch.cat(
            [
                reading.layer.keys.products(
                    reading.layer.tap.at(span.slots, tokens, reading.heads).transpose(1, 2),
                    reading.key_heads,
                    span.tables,
                )
                for reading in readings
            ],
            dim=1,
        )
        form = readings[0].layer.form
        distance = positions[:, :, None] - torch.arange(products.shape[-1], device=self.device)
        mask = distance < 0
        if form.window is not None:
            mask |= distance >= form.window
        return masked_rows(products, mask[:, None], form, _sinks(readings))

    def _span(self, layer: Layer, parts: Sequence[Part], positions: Tensor) -> Span:
        size = layer.keys.block_size
        tables = self._padded([_table(part, layer, size) for part in parts])
        return Span(tables, tables.gather(1, positions // size) * size + positions % size)

    def _padded(self, lists: Sequence[Sequence[int]]) -> Tensor:
        """Stack lists of whole numbers, the shorter ones filled up with 0."""
        width = max(map(len, lists))
        filled = [[*numbers, *[0] * (width - len(numbers))] for numbers in lists]
        return torch.tensor(filled, dtype=torch.long).to(self.device, non_blocking=True)


def _sinks(readings: Sequence[Reading]) -> Tensor | None:
    """Return the sinks of the heads read, shape [h], if the layers have any."""
    sinks = [
        reading.layer.form.sinks[reading.heads]
        for reading in readings
        if reading.layer.form.sinks is not None
    ]
    return torch.cat(sinks) if sinks else None


def _table(part: Part, layer: Layer, size: int) -> list[int]:
    """Return the cache's own blocks, of which vLLM may allot several as one, up to the end."""
    ratio = layer.block_size // size
    allotted = part.wanted.blocks[layer.group]
    table = [block * ratio + n for block in allotted for n in range(ratio)]
    return table[: -(-part.end // size)]
