"""What a drafter asks of an engine, and what comes back, step by step."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alignatt4llm.draft import Rows
from alignatt4llm.errors import AlignattError

Head = tuple[int, int]
"""(layer, head)."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Tokens to be continued greedily.

    Attributes
    ----------
    ids
        Prompt, what has been drafted after it, and the guess.
    guess
        How many of the last tokens are only a guess at what follows.
    budget
        Most new tokens, 1 or more.
    heads
        Heads whose rows are wanted, length H; none for no rows.
    columns
        Positions over which they are wanted, length S.
    candidates
        How many of the likeliest first tokens are wanted.
    """

    ids: Sequence[int]
    guess: int
    budget: int
    heads: Sequence[Head]
    columns: Sequence[int]
    candidates: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """The greedy tokens after N positions.

    The first step verifies the guess: it says what follows the position before the guess and each
    position of it, as far as the guess goes. Every other step is a single token.

    Attributes
    ----------
    tokens
        The likeliest token after each position, length N.
    logprobs
        Their log-probabilities, length N.
    rows
        Attention of each position over the columns, shape [N, H, S].
    candidates
        The likeliest first tokens with log-probabilities, if they were asked for.
    """

    tokens: Sequence[int]
    logprobs: Sequence[float]
    rows: Rows
    candidates: Sequence[tuple[int, float]] = field(default=())


@dataclass(frozen=True, slots=True)
class Served:
    """What an engine can do.

    Attributes
    ----------
    context
        Longest prompt and draft together, in tokens.
    layers, heads
        Size of the model.
    tapped
        Layers whose rows can be read.
    """

    context: int
    layers: int
    heads: int
    tapped: tuple[int, ...]

    def check(self, heads: Sequence[Head]) -> None:
        """Raise AlignattError if rows of these heads cannot be had."""
        for layer, head in heads:
            if not (0 <= layer < self.layers and 0 <= head < self.heads):
                raise AlignattError(
                    f"The head set names head ({layer}, {head}), but this model has "
                    f"{self.layers} layers of {self.heads} heads."
                )
            if layer not in self.tapped:
                raise AlignattError(
                    f"The head set names layer {layer}, but the engine was started for rows of "
                    f"layers {', '.join(map(str, self.tapped))}; start it with this head set."
                )


class Engine(Protocol):
    """A model that is served, here or elsewhere; may be called from any thread."""

    served: Served

    def steps(self, ask: Ask) -> Generator[Step, None, None]:
        """Yield step after step; closing the iterator ends the work."""
        ...

    def close(self) -> None:
        """Stop the engine, or leave it."""
        ...
