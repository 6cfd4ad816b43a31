"""What two sequences begin with alike."""

from collections.abc import Sequence
from itertools import takewhile


def common_prefix(one: Sequence[object], other: Sequence[object]) -> int:
    """Count the items that both begin with."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
