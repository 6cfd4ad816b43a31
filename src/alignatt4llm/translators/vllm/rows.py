"""Rows of a step, read beside it: which are wanted, and one batched computation a layer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from alignatt4llm.attention.rows import AttentionForm, masked_rows

if TYPE_CHECKING:
    from alignatt4llm.translators.vllm.capture import QueryTap
    from alignatt4llm.translators.vllm.keys import KeyCache

HEAD_SETS = 64
"""Head sets for which it is kept what to read."""
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
    """Readings of layers that weigh their keys alike, in one operation for all their H heads.

    Attributes
    ----------
    form
        Scale, window and softcap of the layers.
    places
        Where in the rows the heads stand, shape [H].
    sinks
        Sink of each head, shape [H], if the layers have any.
    """

    def __init__(self, readings: Sequence[Reading], device: torch.device) -> None:
        self.readings = readings
        self.layer = readings[0].layer
        self.form = self.layer.form
        places = [place for reading in readings for place in reading.places]
        self.places = torch.tensor(places, device=device)
        sinks = [(reading.layer.form.sinks, reading.heads) for reading in readings]
        found = [sink[heads] for sink, heads in sinks if sink is not None]
        self.sinks = torch.cat(found) if found else None

    def weights(self, tables: Tensor, positions: Tensor, tokens: int) -> Tensor:
        """Return whole rows after a step of so many tokens, NaN where it had no query for them.

        Parameters
        ----------
        tables
            Blocks of each of R streams in the order of their positions, shape [R, B].
        positions
            Whose rows are wanted, shape [R, T].

        Returns
        -------
        Tensor
            Shape [R, H, T, L].
        """
        size = self.layer.keys.block_size
        slots = tables.gather(1, positions // size) * size + positions % size  # [R, T]
        known = torch.stack([each.layer.tap.slots[: 1 + tokens] for each in self.readings])
        same = slots[..., None] == known[:, None, None]  # [readings, R, T, 1 + tokens]
        found = same.to(torch.uint8).argmax(-1, keepdim=True)  # the first, NaN, if there is none
        products = torch.cat(
            [
                each.layer.keys.products(
                    each.layer.tap.queries[index, each.heads].transpose(1, 2),
                    each.key_head,
                    tables,
                )
                for each, index in zip(self.readings, found, strict=True)
            ],
            dim=1,
        )
        distance = positions[..., None] - torch.arange(products.shape[-1], device=positions.device)
        mask = distance < 0
        if self.form.window is not None:
            mask |= distance >= self.form.window
        return masked_rows(products, mask[:, None], self.form, self.sinks)


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
            size = alike.layer.keys.block_size
            tables = self._padded([_table(part, alike.layer, size) for part in parts])
            weights = alike.weights(tables, positions, tokens)  # [R, h, T, L]
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


def _table(part: Part, layer: Layer, size: int) -> list[int]:
    """Return the cache's own blocks, of which vLLM may allot several as one, up to the end."""
    ratio = layer.block_size // size
    allotted = part.wanted.blocks[layer.group]
    table = [block * ratio + n for block in allotted for n in range(ratio)]
    return table[: -(-part.end // size)]
