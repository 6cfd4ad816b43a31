"""Streams that run together, against the same streams one after another."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from alignatt4llm.bench.streamed import Bench, Replay, replay
from alignatt4llm.events import SourceWord


class Crowd:
    """Sessions that run alone, one a turn, and then, in the last turn, together.

    Parameters
    ----------
    bench
        What all of them share.
    streams
        Their timed texts.
    """

    def __init__(self, bench: Bench, streams: Sequence[Sequence[SourceWord]]) -> None:
        self._bench, self._streams = bench, streams
        self._alone: list[Replay] = []
        self._together: list[Replay] = []
        self._seconds: list[float] = []  # of each turn

    def turn(self) -> bool:
        """Run the next stream alone, or all; return whether there is more to do."""
        begin = time.perf_counter()
        if len(self._alone) < len(self._streams):
            self._alone.append(replay(self._bench, self._streams[len(self._alone)]))
        else:
            with ThreadPoolExecutor(len(self._streams)) as pool:
                run = pool.map(lambda words: replay(self._bench, words), self._streams)
                self._together = list(run)
        self._seconds.append(time.perf_counter() - begin)
        return not self._together

    def figures(self) -> dict[str, float]:
        """Return the throughput, the largest share that a stream has waited, and who said the same.

        The share is, over streams, the median time of a chunk together, divided by the number of
        streams times its median alone.
        """
        *alone, together = self._seconds
        pairs = list(zip(self._alone, self._together, strict=True))
        shares = [_chunk(crowded) / (len(pairs) * _chunk(solo)) for solo, crowded in pairs]
        return {
            "together_over_in_turn": sum(alone) / together,
            "chunk_over_share": max(shares),
            "same_text": sum(solo.text == other.text for solo, other in pairs) / len(pairs),
        }


def _chunk(stream: Replay) -> float:
    """Return the median seconds of the chunks in which something was drafted."""
    return median(filter(None, stream.chunks))
