"""Rows of a step, read beside it: which are wanted, and one batched computation a layer."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, takewhile
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from alignatt4llm.attention.rows import AttentionForm, masked_rows

if TYPE_CHECKING:
    from alignatt4llm.translators.vllm.keys import KeyCache

HEAD_SETS = 64
"""Head sets for which it is kept what to read."""
SHARERS = 4
"""Streams from which on the blocks they have in common are read once."""
NOWHERE = -1
"""The slot of padding."""
EXTRA = "alignatt"
"""Where a request's ``extra_args`` say which rows it wants."""


@dataclass(slots=True)
class Wanted:
    """The rows that one running request wants.

    Attributes
    ----------
    key, to
        Under which name, and to which address, they are sent.
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
    to: str
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
            if isinstance(asked := extra.get(EXTRA), dict):  # HTTP clients can send no dict
                blocks = [list(group) for group in request.block_ids]
                self._wanted[request.req_id] = Wanted(**asked, blocks=blocks)
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

    def forget(self, names: Iterable[str]) -> None:
        """Forget requests that are finished."""
        for name in names:
            self._wanted.pop(name, None)


class StepQueries:
    """Queries of layers of one shape as they were in the last step.

    Parameters
    ----------
    layers
        How many.
    tokens
        Most tokens in a step, padding included.
    shape
        Query heads and their size.
    dtype, device
        As the model has them.

    Attributes
    ----------
    queries
        After norm and rotary embedding, shape [layers, 1 + tokens, H_q, d]; the first of each
        layer is no token's, but NaN.
    slots
        Slot of each, shape [layers, 1 + tokens]; -1 for the first, padding and beyond the step.
    """

    def __init__(
        self,
        layers: int,
        tokens: int,
        shape: tuple[int, int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.queries = torch.zeros(layers, 1 + tokens, *shape, dtype=dtype, device=device)
        self.queries[:, 0] = torch.nan
        self.slots = torch.full((layers, 1 + tokens), NOWHERE, device=device)
        self._of_layer = list(zip(self.queries.unbind(), self.slots.unbind(), strict=True))

    def keep(self, layer: int, query: Tensor, slots: Tensor) -> None:
        """Copy a layer's queries [T, H_q, d] and slots [T'], of which the shorter counts."""
        count = min(len(query), len(slots))
        queries, places = self._of_layer[layer]
        places.fill_(NOWHERE)
        places[1 : 1 + count].copy_(slots[:count])
        queries[1 : 1 + count].copy_(query[:count])


@dataclass(frozen=True, slots=True)
class Layer:
    """What rows of one layer are read from.

    Attributes
    ----------
    queries, place
        Where its queries are kept, and its place there.
    keys
        Its keys.
    form
        Scale, window, softcap and sinks.
    first_head, heads, key_heads
        The first of the query heads that this worker has, how many, and how many key heads.
    group, block_size
        Its cache group, and positions in one of the group's blocks as vLLM allots them.
    """

    queries: StepQueries
    place: int
    keys: "KeyCache"
    form: AttentionForm
    first_head: int
    heads: int
    key_heads: int
    group: int
    block_size: int

    @property
    def kind(self) -> tuple[object, ...]:
        """The same for layers of one shape whose keys are weighed alike, but for the window."""
        form = self.form
        weighing = form.scale, form.softcap, form.sinks is None
        return (*weighing, self.keys.block_size, id(self.queries))

    def has(self, head: int) -> bool:
        """Whether this worker has a query head of the layer."""
        return 0 <= head - self.first_head < self.heads


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows read with one key head of one layer.

    Attributes
    ----------
    layer, key_head
        Where the keys are.
    heads
        Query heads, shape [h].
    places
        Where in the rows they stand, length h.
    """

    layer: Layer
    key_head: int
    heads: Tensor
    places: list[int]


class Alike:
    """Readings of layers of one kind, in one operation for all their H heads.

    Attributes
    ----------
    layer
        One of the layers, for what they have in common.
    grouped
        A layer of each of the G cache groups that they are in.
    places
        Where in the rows the heads stand, shape [H].
    sinks, windows
        Sink of each head, shape [H], and window, shape [H, 1, 1], if the layers have any.
    """

    def __init__(self, readings: Sequence[Reading], device: torch.device) -> None:
        self.readings = readings
        self.layer = readings[0].layer
        groups = {reading.layer.group: reading.layer for reading in readings}
        self.grouped = list(groups.values())
        self._groups = [list(groups).index(reading.layer.group) for reading in readings]
        self._group_of = torch.tensor(self._groups, device=device)
        places = [place for reading in readings for place in reading.places]
        self.places = torch.tensor(places, device=device)
        self._counts = [len(reading.places) for reading in readings]
        owners = [n for n, count in enumerate(self._counts) for _ in range(count)]
        self._owners = torch.tensor(owners, device=device)  # which reading each head is of, [H]
        self._layers = torch.tensor([reading.layer.place for reading in readings], device=device)
        self._heads = torch.cat([reading.heads for reading in readings])  # [H]
        sinks = [(reading.layer.form.sinks, reading.heads) for reading in readings]
        found = [sink[heads] for sink, heads in sinks if sink is not None]
        self.sinks = torch.cat(found) if found else None
        windows = [readings[n].layer.form.window for n in owners]
        seen = [sys.maxsize if window is None else window for window in windows]
        self.windows = torch.tensor(seen, device=device)[:, None, None] if any(windows) else None

    def weights(
        self,
        tables: Tensor,
        shared: Sequence[int],
        slots: Tensor,
        positions: Tensor,
        tokens: int,
    ) -> Tensor:
        """Return whole rows after a step of so many tokens, NaN where it had no query for them.

        Parameters
        ----------
        tables
            Blocks in each group of each of R streams, in the order of positions, shape [G, R, B].
        shared
            How many of them, from the first on, the streams have in common, length G.
        slots, positions
            Whose rows are wanted, shapes [G, R, T] and [R, T].

        Returns
        -------
        Tensor
            Shape [R, H, T, L].
        """
        queries = self._queries(slots, tokens)  # [R, H, T, d]
        parts = torch.split(queries, self._counts, dim=1)
        found = [
            each.layer.keys.products(part, each.key_head, tables[group], shared[group])
            for each, part, group in zip(self.readings, parts, self._groups, strict=True)
        ]
        products = torch.cat(found, dim=3).permute(0, 3, 1, 2, 4)
        products = products.reshape(*queries.shape[:3], -1)  # [R, H, T, L]
        keys = torch.arange(products.shape[-1], device=positions.device)
        distance = (positions[..., None] - keys)[:, None]  # [R, 1, T, L]
        mask = distance < 0
        if self.windows is not None:
            mask = mask | (distance >= self.windows)
        return masked_rows(products, mask, self.layer.form, self.sinks)

    def _queries(self, slots: Tensor, tokens: int) -> Tensor:
        """Return the queries in slots [G, R, T], shape [R, H, T, d]; NaN where there are none."""
        kept = self.layer.queries
        known = kept.slots[self._layers, : 1 + tokens]
        same = slots[self._group_of, ..., None] == known[:, None, None]  # of each reading
        found = same.to(torch.uint8).argmax(-1).flatten(1)  # the first, NaN, if there is none
        chosen = kept.queries[
            self._layers[self._owners, None], found[self._owners], self._heads[:, None]
        ]  # [H, R T, d]
        return chosen.float().view(len(chosen), *slots.shape[1:], -1).transpose(0, 1)


@dataclass(slots=True)
class StepRows:
    """Computes the rows of a step from the queries it left and the keys in the cache."""

    layers: dict[int, Layer]
    device: torch.device
    _alike: dict[Sequence[Sequence[int]], list[Alike]] = field(default_factory=dict)

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
        for alike in self._alike_of(heads):
            grouped = [[_blocks(part, layer) for part in parts] for layer in alike.grouped]
            shared = [_shared(blocks) for blocks in grouped]
            blocks = [table for tables in grouped for table in tables]
            size = alike.layer.keys.block_size
            places = [_slots(part, table, size) for part, table in zip(cycle(parts), blocks)]
            shape = len(alike.grouped), len(parts), -1
            tables, slots = self._padded(blocks).view(shape), self._padded(places).view(shape)
            weights = alike.weights(tables, shared, slots, positions, tokens)  # [R, h, T, L]
            wanted = columns.expand(*weights.shape[:3], -1)
            rows[:, :, alike.places] = weights.gather(-1, wanted).transpose(1, 2)
        return rows

    def _alike_of(self, heads: Sequence[Sequence[int]]) -> list[Alike]:
        """Return what is read for some heads; it is found once for each head set."""
        if heads not in self._alike:
            if len(self._alike) >= HEAD_SETS:
                self._alike.clear()
            kinds: dict[tuple[object, ...], list[Reading]] = {}
            for reading in self._readings(heads):
                kinds.setdefault(reading.layer.kind, []).append(reading)
            self._alike[heads] = [Alike(readings, self.device) for readings in kinds.values()]
        return self._alike[heads]

    def _readings(self, heads: Sequence[Sequence[int]]) -> Iterator[Reading]:
        for index, layer in self.layers.items():
            own = {
                place: head - layer.first_head
                for place, (of, head) in enumerate(heads)
                if of == index and layer.has(head)
            }
            group = layer.heads // layer.key_heads
            for key_head in sorted({head // group for head in own.values()}):
                places = [place for place, head in own.items() if head // group == key_head]
                here = torch.tensor([own[place] for place in places], device=self.device)
                yield Reading(layer, key_head, here, places)

    def _padded(self, lists: Sequence[Sequence[int]]) -> Tensor:
        """Stack lists of whole numbers, the shorter ones filled up with 0."""
        width = max(map(len, lists))
        filled = [[*numbers, *[0] * (width - len(numbers))] for numbers in lists]
        return torch.tensor(filled, dtype=torch.long).to(self.device, non_blocking=True)


def _blocks(part: Part, layer: Layer) -> list[int]:
    """Return the cache's own blocks, of which vLLM may allot several as one, up to the end."""
    size = layer.keys.block_size
    ratio = layer.block_size // size
    allotted = part.wanted.blocks[layer.group]
    table = [block * ratio + n for block in allotted for n in range(ratio)]
    return table[: -(-part.end // size)]


def _shared(tables: Sequence[Sequence[int]]) -> int:
    """Count the blocks, but the last, with which all tables begin: a prompt's cached beginning.

    0 for a few streams, where a product of its own costs more than it saves.
    """
    if len(tables) < SHARERS:
        return 0
    same = takewhile(lambda column: len(set(column)) == 1, zip(*tables, strict=False))
    return min(sum(1 for _ in same), max(map(len, tables)) - 1)


def _slots(part: Part, blocks: Sequence[int], size: int) -> list[int]:
    """Return the slots of a part's positions."""
    return [blocks[at // size] * size + at % size for at in range(part.begin, part.end)]
