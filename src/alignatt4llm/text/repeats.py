"""Text that says itself again, or only says the source again."""

import re
from collections.abc import Hashable, Sequence
from itertools import takewhile


def loop_length(sequence: Sequence[Hashable], run: int = 10, longest: int = 24) -> int:
    """Return how many items at the end only repeat what stands before them.

    The end repeats a block of up to ``longest`` items as soon as ``run`` items say the same as
    those one block earlier; for blocks shorter than half of that, when it is there three times
    (four times for a single item).
    """
    for size in range(1, longest + 1):
        needed = 3 if size == 1 else min(2 * size, run)
        pairs = zip(reversed(sequence), reversed(sequence[:-size]), strict=False)
        repeated = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if repeated >= needed:
            return repeated
    return 0


def repeats(target: str, words: Sequence[str]) -> bool:
    """Whether a target is nothing but successive words of the source, the last maybe cut.

    Capitals at the beginning of a word and what stands between words do not matter.
    """
    said, source = bare(target), [bare(word) for word in words]
    return bool(said) and any(
        "".join(source[first:]).startswith(said) for first in range(len(source))
    )


def bare(text: str) -> str:
    """Return the letters and digits of a text, the first of each word in lower case."""
    return "".join(word[0].lower() + word[1:] for word in re.findall(r"\w+", text))
