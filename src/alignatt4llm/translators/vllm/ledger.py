"""Which rows each step of vLLM has to give, and for how long they can be read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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
        self._parts: list[Part] = []

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
        self._parts = [part for part in parts if part.begin < part.end]
        return self._parts

    def overwritten_by(self, scheduled: Any) -> bool:
        """Say whether the next step may write where the rows of the last one are read.

        In blocks that its requests already have it writes behind what any row has seen. Others are
        given to it here, and may have been taken from requests of the last step.
        """
        unseen = scheduled.new_block_ids_to_zero, scheduled.kv_cache_block_copies
        if any(unseen) or scheduled.kv_connector_metadata is not None:
            return True
        read = {block for part in self._parts for group in part.wanted.blocks for block in group}
        given = [request.block_ids for request in scheduled.scheduled_new_reqs]
        given += filter(None, scheduled.scheduled_cached_reqs.new_block_ids)
        return any(not read.isdisjoint(group) for groups in given for group in groups)

    def _part(self, name: str, computed: int, count: int) -> Part:
        wanted = self._wanted[name]
        return Part(wanted, max(computed, wanted.first), computed + count)

    def forget(self, names: Iterable[str]) -> None:
        """Forget requests that are finished."""
        for name in names:
            self._wanted.pop(name, None)
