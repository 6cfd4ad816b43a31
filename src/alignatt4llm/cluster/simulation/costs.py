"""What takes how much time: measured, and replayed by the simulation."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

from alignatt4llm.errors import UsageError
from alignatt4llm.translators.stepper import MOST_TOKENS

Feeds = tuple[int, ...]
"""A draft: the tokens that it feeds in each of its passes."""

_PASSES = (2, 4, 8, 16)
"""Of these sizes, and of one token and a prompt, `alignatt bench` measures passes."""
_PROMPT = 100
"""Tokens of the prompt that it measures."""


@dataclass(frozen=True)
class Costs:
    """What was measured on one machine.

    Attributes
    ----------
    passes
        Seconds of a pass by how many tokens it feeds, of however many streams; between and beyond
        these, along straight lines.
    drafts
        The drafts of one chunk after another, as a session made them; they are replayed.
    prompt
        Tokens to be read where nothing is kept of a stream.
    recognise
        Seconds of the recogniser a step, of which a session replica does one at a time.
    call
        Seconds that a draft takes on its way to an engine replica and back.
    way
        Seconds that audio and events take between the client and a session replica.
    """

    passes: Mapping[int, float]
    drafts: Sequence[Sequence[Feeds]]
    prompt: int = 0
    recognise: float = 0.0
    call: float = 0.0
    way: float = 0.0

    def __post_init__(self) -> None:
        if not self.passes or not all(self.passes.values()):
            raise UsageError("'passes' says how long passes take: name a size and its seconds.")
        if not any(self.drafts):
            raise UsageError("'drafts' says what passes a chunk takes: name at least one.")

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        """Read costs from JSON; see docs/cluster.md."""
        passes = {int(tokens): float(seconds) for tokens, seconds in said["passes"].items()}
        drafts = [[tuple(feeds) for feeds in chunk] for chunk in said["drafts"]]
        rest = {key: said[key] for key in ("prompt", "recognise", "call", "way") if key in said}
        return cls(passes, drafts, **rest)

    def written(self) -> dict[str, Any]:
        """Return what `read` reads."""
        return asdict(self)

    @classmethod
    def of_bench(cls, figures: Mapping[str, float], prompt: int, recognise: float) -> Self:
        """Read the figures of one system from the JSON of ``alignatt bench``.

        A chunk has one draft here, of as many tokens and passes as the bench's had in the mean.
        """
        passes = {1: figures["step_ms"], _PROMPT: figures["prefill_ms"]}
        passes |= {size: figures[f"pass_{size}_ms"] for size in _PASSES}
        seconds = {size: ms / 1000 for size, ms in sorted(passes.items())}
        count, tokens = figures["passes_per_chunk"], figures["tokens_per_chunk"]
        chunks = 20  # so many that their mean is near
        numbers = [max(1, after - before) for before, after in pairwise(_shares(count, chunks))]
        fed = [max(1, round(tokens) - number + 1) for number in numbers]
        drafts = [[(first, *(1,) * (n - 1))] for first, n in zip(fed, numbers, strict=True)]
        return cls(seconds, drafts, prompt, recognise)

    def step(self, first: int, count: int) -> list[Feeds]:
        """Return the drafts of a step of so many chunks, replayed from one on.

        A draft ends with what is held, which is drafted again with the next chunk; joined chunks
        save this pass.
        """
        drafts: list[Feeds] = []
        for chunk in range(first, first + count):
            more = [*self.drafts[chunk % len(self.drafts)]]
            if drafts and more:
                more[0] = drafts.pop()[:-1] + more[0]
            drafts += more
        return drafts

    def seconds(self, tokens: int) -> float:
        """Return how long a pass takes."""
        table = self._table
        return table[tokens] if tokens < len(table) else self._computed(tokens)

    @cached_property
    def _table(self) -> list[float]:
        return [self._computed(tokens) for tokens in range(2 * MOST_TOKENS)]

    def _computed(self, tokens: int) -> float:
        sizes = sorted(self.passes)
        if len(sizes) == 1 or tokens <= sizes[0]:
            return self.passes[sizes[0]]
        above = min(max(1, bisect_left(sizes, tokens)), len(sizes) - 1)
        low, high = sizes[above - 1], sizes[above]
        slope = (self.passes[high] - self.passes[low]) / (high - low)
        return self.passes[low] + slope * (tokens - low)


def _shares(mean: float, chunks: int) -> list[int]:
    return [round(mean * chunk) for chunk in range(chunks + 1)]
