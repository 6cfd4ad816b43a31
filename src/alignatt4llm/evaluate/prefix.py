"""Which words of an unfinished transcript are wrong, by edit distance to a reference."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.int64]


class PrefixAlignment:
    """Aligns a growing transcript with whichever beginning of the reference fits it best.

    The reference beyond what has been said costs nothing; of beginnings that fit equally well the
    longest counts, so that a dropped word is not taken for two wrong ones.

    Parameters
    ----------
    reference
        Its words, spelled as those of the transcript are.
    """

    def __init__(self, reference: Sequence[str]) -> None:
        self._numbers = {word: number for number, word in enumerate(dict.fromkeys(reference))}
        self._reference = np.array([self._numbers[word] for word in reference], np.int64)
        self._words: list[int] = []
        self._rows: list[Row] = [np.arange(len(reference) + 1)]

    def commit(self, words: Sequence[str]) -> None:
        """Take in words that will not change again."""
        self._extend(self._words, self._rows, words)

    def wrong(self, tail: Sequence[str], last: int) -> list[bool]:
        """Say of each of the ``last`` words, committed and tail, whether it is wrong."""
        words, rows = list(self._words), list(self._rows)
        self._extend(words, rows, tail)
        found: list[bool] = []
        at = len(rows[-1]) - 1 - int(rows[-1][::-1].argmin())
        while len(found) < last:
            n = len(words) - len(found)
            differs = at == 0 or words[n - 1] != self._reference[at - 1]
            if at and rows[n][at] == rows[n - 1][at - 1] + differs:
                found.append(bool(differs))
                at -= 1
            elif rows[n][at] == rows[n - 1][at] + 1:
                found.append(True)
            else:
                at -= 1
        return found[::-1]

    def _extend(self, words: list[int], rows: list[Row], new: Sequence[str]) -> None:
        """Add a row of edit distances for each word; entry j is to the first j of the reference."""
        steps = np.arange(len(self._reference) + 1)
        for word in new:
            words.append(self._numbers.get(word, -1))
            row = rows[-1] + 1
            np.minimum(row[1:], rows[-1][:-1] + (self._reference != words[-1]), out=row[1:])
            rows.append(np.minimum.accumulate(row - steps) + steps)
