"""What one stream feeds to a model, and what comes out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.draft import Rows
from alignatt4llm.translators.llamacpp.slots import Slot, Stream


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a pass.

    Attributes
    ----------
    slot
        Number of its sequence.
    id, position
        The token, and where it stands.
    asks
        Whether logits are wanted after it.
    """

    slot: int
    id: int
    position: int
    asks: bool


@dataclass(eq=False, slots=True)
class Feed:
    """What one stream feeds, and what comes out.

    Attributes
    ----------
    stream
        The stream.
    tokens
        Everything that it will have been fed; what its sequence holds already is not fed again.
    wanted
        Of how many of the last tokens something is wanted, N; these are fed in any case. With 0
        the others are only read.
    columns
        Positions of the keys over which rows are wanted, shape [S]; none for no rows.
    asks
        Whether logits are wanted.
    logits
        Shape [N, vocabulary].
    rows
        Rows over the whole causal context restricted to ``columns``, float32, shape [N, H, S].
    """

    stream: Stream
    tokens: Sequence[int]
    wanted: int = 1
    columns: NDArray[np.int64] | None = None
    asks: bool = True
    logits: NDArray[np.float32] = field(init=False)
    rows: Rows = field(init=False)

    @property
    def ids(self) -> Sequence[int]:
        """The new tokens."""
        return self.tokens[self.kept :]

    @property
    def kept(self) -> int:
        """How many tokens are not fed again."""
        return min(self.stream.held(self.tokens), self.first)

    @property
    def first(self) -> int:
        """The first token of which something is wanted."""
        return len(self.tokens) - self.wanted

    @property
    def slot(self) -> Slot:
        """The stream's sequence; what it holds has been fed."""
        slot = self.stream.slot
        assert slot is not None
        return slot

    @property
    def left(self) -> int:
        """How many tokens are still to be fed."""
        return len(self.tokens) - len(self.slot.ids)

    def prepare(self, vocabulary: int) -> None:
        """Make room for what is wanted."""
        if self.columns is not None:
            size = self.wanted, len(self.stream.heads), len(self.columns)
            self.rows = np.zeros(size, np.float32)
        if self.asks:
            self.logits = np.empty((self.wanted, vocabulary), np.float32)

    def next(self, count: int) -> list[Token]:
        """Return the next tokens."""
        begin = len(self.slot.ids)
        return [
            Token(self.slot.number, self.tokens[n], n, self.asks and n >= self.first)
            for n in range(begin, begin + count)
        ]

    def shows(self, count: int) -> bool:
        """Whether rows of some of the next tokens are taken."""
        there = self.columns is not None and len(self.columns) > 0
        return there and self.first < len(self.slot.ids) + count

    def take(self, place: int, head: int, columns: NDArray[np.bool_], rows: Rows) -> None:
        """Take rows [n, S'] from a place on, of one of the heads, over some of the columns."""
        self.rows[place : place + len(rows), head, columns] = rows
