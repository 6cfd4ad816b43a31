"""Which stream has which sequence of a context, and what each sequence holds.

A context has a fixed number of sequences. A stream keeps its own as long as there are enough; when
there are not, the one that has waited longest loses it to one that steps, and its tokens are read
again when it steps itself. What a sequence holds stays after its stream is closed: another one may
begin alike, and all prompts of a direction do.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import Lock

from alignatt4llm.heads.headset import Head
from alignatt4llm.text.prefix import common_prefix

WORTH = 16
"""Tokens in common from which copying a sequence is better than reading them again."""


@dataclass(eq=False, slots=True)
class Slot:
    """A sequence.

    Attributes
    ----------
    number
        Its number in the context.
    ids
        The tokens whose keys and values it holds.
    owner
        The stream that it belongs to.
    used
        When it was last taken, counted in takings.
    """

    number: int
    ids: list[int] = field(default_factory=list)
    owner: "Stream | None" = None
    used: int = 0


class Stream:
    """A stream as a context knows it; `Slots.stream` makes them.

    Parameters
    ----------
    heads
        The alignment heads whose rows are read, in the order in which rows are returned.
    alike
        Says how many tokens, from the first on, some sequence holds already.

    Attributes
    ----------
    slot
        Its sequence, if it has one now.
    """

    def __init__(self, heads: Sequence[Head], alike: Callable[[Sequence[int]], int]) -> None:
        self.heads = list(heads)
        self.slot: Slot | None = None
        self._alike = alike

    def held(self, ids: Sequence[int]) -> int:
        """Count how many of these tokens, from the first on, it need not feed."""
        return common_prefix(self.slot.ids, ids) if self.slot else self._alike(ids)


class Slots:
    """All sequences of a context.

    Parameters
    ----------
    count
        How many there are.
    copy
        Copies everything that one sequence holds to another, given their numbers.
    """

    def __init__(self, count: int, copy: Callable[[int, int], None]) -> None:
        self._slots = [Slot(number) for number in range(count)]
        self._copy = copy
        self._time = 0
        self._lock = Lock()  # streams are closed while others step

    def stream(self, heads: Sequence[Head] = ()) -> Stream:
        """Return a new stream; it gets a sequence when it needs one."""
        return Stream(heads, self.alike)

    def alike(self, ids: Sequence[int]) -> int:
        """Count how many tokens, from the first on, the likest sequence holds; 0 if too few."""
        most = max(common_prefix(slot.ids, ids) for slot in self._slots)
        return most if most >= WORTH else 0

    def take(self, stream: Stream, ids: Sequence[int], busy: Collection[Stream]) -> Slot:
        """Return a stream's sequence; if it has none, one that begins like its tokens if possible.

        Parameters
        ----------
        stream
            Who asks.
        ids
            What the sequence will hold.
        busy
            Streams whose sequences may not be taken away now.
        """
        with self._lock:
            slot = stream.slot or self._given(ids, busy)
            if slot.owner is not None:
                slot.owner.slot = None
            self._time += 1
            slot.owner, stream.slot, slot.used = stream, slot, self._time
            return slot

    def free(self, stream: Stream) -> None:
        """Give a stream's sequence back; what it holds may serve another."""
        with self._lock:
            if stream.slot:
                stream.slot.owner = None
            stream.slot = None

    def _given(self, ids: Sequence[int], busy: Collection[Stream]) -> Slot:
        """Return a free sequence, or the one whose owner has waited longest."""
        free = [slot for slot in self._slots if slot.owner is None]
        alike = {slot: common_prefix(slot.ids, ids) for slot in self._slots}
        best = max(self._slots, key=lambda slot: (alike[slot], slot.owner is None))
        if best.owner is None and alike[best] >= WORTH:
            return best
        takeable = free or [slot for slot in self._slots if slot.owner not in busy]
        slot = min(takeable, key=lambda slot: (bool(free) and len(slot.ids), slot.used))
        if slot is not best and alike[best] >= max(WORTH, alike[slot]):
            self._copy(best.number, slot.number)
            slot.ids = list(best.ids)
        return slot
