"""Rows of a step, from the queries that it left and the keys in the cache, in batches."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, takewhile
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from alignatt4llm.attention.rows import AttentionForm, masked_rows
from alignatt4llm.translators.vllm.ledger import Part

if TYPE_CHECKING:
    from alignatt4llm.translators.vllm.keys import KeyCache

HEAD_SETS = 64
"""Head sets for which it is kept what to read."""
SHARERS = 4
"""Streams from which on the blocks they have in common are read once."""
NOWHERE = -1
"""The slot of padding."""


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

    def queries(self, slots: Tensor, tokens: int) -> Tensor:
        """Return copies of the queries in slots [G, R, T] after a step of so many tokens.

        Returns
        -------
        Tensor
            Shape [R, H, T, d], float32; NaN where the step had none.
        """
        kept = self.layer.queries
        known = kept.slots[self._layers, : 1 + tokens]
        same = slots[self._group_of, ..., None] == known[:, None, None]  # of each reading
        found = same.to(torch.uint8).argmax(-1).flatten(1)  # the first, NaN, if there is none
        chosen = kept.queries[
            self._layers[self._owners, None], found[self._owners], self._heads[:, None]
        ]  # [H, R T, d]
        return chosen.float().view(len(chosen), *slots.shape[1:], -1).transpose(0, 1)

    def weights(
        self, queries: Tensor, tables: Tensor, shared: Sequence[int], positions: Tensor
    ) -> Tensor:
        """Return whole rows, NaN where the queries are.

        Parameters
        ----------
        queries
            Those of R streams, shape [R, H, T, d].
        tables
            Blocks in each group of each stream, in the order of positions, shape [G, R, B].
        shared
            How many of them, from the first on, the streams have in common, length G.
        positions
            Where the queries stand, shape [R, T].

        Returns
        -------
        Tensor
            Shape [R, H, T, L].
        """
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


@dataclass(frozen=True, slots=True)
class Gathered:
    """What `Alike` needs for some rows; see `Alike.weights`."""

    alike: Alike
    queries: Tensor
    tables: Tensor
    shared: Sequence[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """Parts of a step that want the same heads; later steps change nothing of it but the keys.

    Attributes
    ----------
    parts
        R parts, of at most T positions.
    gathered
        What their H heads are read from.
    positions, columns
        Positions of the queries and of the keys, padded at the end, shapes [R, T] and [R, S].
    """

    parts: Sequence[Part]
    gathered: Sequence[Gathered]
    positions: Tensor
    columns: Tensor

    @torch.inference_mode()
    def rows(self) -> list[Tensor]:
        """Compute the rows [T, H, S] of each part; heads of other workers are 0."""
        heads = len(self.parts[0].wanted.heads)
        rows = self.columns.new_zeros(
            *self.positions.shape, heads, self.columns.shape[-1], dtype=torch.float32
        )  # [R, T, H, S]
        for each in self.gathered:
            weights = each.alike.weights(each.queries, each.tables, each.shared, self.positions)
            wanted = self.columns[:, None, None].expand(*weights.shape[:3], -1)
            rows[:, :, each.alike.places] = weights.gather(-1, wanted).transpose(1, 2)
        return [
            row[: part.end - part.begin, :, : len(part.wanted.columns)]
            for row, part in zip(rows, self.parts, strict=True)
        ]


@dataclass(slots=True)
class StepRows:
    """Finds what the rows of a step are computed from."""

    layers: dict[int, Layer]
    device: torch.device
    _alike: dict[Sequence[Sequence[int]], list[Alike]] = field(default_factory=dict)

    @torch.inference_mode()
    def gather(self, parts: Sequence[Part], tokens: int) -> list[Batch]:
        """Gather what belongs to the parts of a step of so many tokens; copy their queries."""
        batches: dict[Sequence[Sequence[int]], list[Part]] = {}
        for part in parts:
            batches.setdefault(part.wanted.heads, []).append(part)
        return [self._batch(heads, together, tokens) for heads, together in batches.items()]

    def _batch(self, heads: Sequence[Sequence[int]], parts: Sequence[Part], tokens: int) -> Batch:
        gathered = [self._gathered(alike, parts, tokens) for alike in self._alike_of(heads)]
        positions = self._padded([range(part.begin, part.end) for part in parts])
        columns = self._padded([part.wanted.columns for part in parts])
        return Batch(parts, gathered, positions, columns)

    def _gathered(self, alike: Alike, parts: Sequence[Part], tokens: int) -> Gathered:
        grouped = [[_blocks(part, layer) for part in parts] for layer in alike.grouped]
        blocks = [table for tables in grouped for table in tables]
        size = alike.layer.keys.block_size
        places = [_slots(part, table, size) for part, table in zip(cycle(parts), blocks)]
        shape = len(alike.grouped), len(parts), -1
        tables, slots = self._padded(blocks).view(shape), self._padded(places).view(shape)
        shared = [_shared(tables) for tables in grouped]
        return Gathered(alike, alike.queries(slots, tokens), tables, shared)

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
