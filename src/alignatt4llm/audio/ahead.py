"""Sound that goes on whether or not it is taken, kept until it is."""

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from threading import Condition, Thread

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples

MOST = 30.0
"""Seconds that are kept; beyond it the source has to wait."""


class Ahead(Iterator[Samples]):
    """Takes blocks as they come in a thread of its own, so that all that is late is there at once.

    Parameters
    ----------
    blocks
        Blocks of samples; closed by that thread.
    most
        Seconds after which no more is taken until some has been.
    """

    def __init__(self, blocks: Generator[Samples, None, None], most: float = MOST) -> None:
        self._blocks, self._most = blocks, round(most * SAMPLE_RATE)
        self._kept = deque[Samples]()
        self._length = 0
        self._over = self._left = False
        self._problem: BaseException | None = None
        self._changed = Condition()
        Thread(target=self._read, name="audio-ahead", daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether a block, or the end, is there without waiting."""
        return self._over or bool(self._kept)

    def __next__(self) -> Samples:
        """Wait for the next block; what the source raised is raised after the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._kept or self._over or self._left)
            if self._kept and not self._left:
                block = self._kept.popleft()
                self._length -= len(block)
                self._changed.notify_all()
                return block
        if self._problem and not self._left:
            raise self._problem
        raise StopIteration

    def finish(self) -> None:
        """Take no more; what was taken can still be had. Any thread may call it."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more, and let nobody wait; any thread may call it."""
        with self._changed:
            self._left = True
            self._changed.notify_all()

    def _read(self) -> None:
        try:
            with closing(self._blocks):
                for block in self._blocks:
                    if not self._keep(block):
                        break
        except BaseException as problem:
            self._problem = problem
        self.finish()

    def _keep(self, block: Samples) -> bool:
        """Keep a block and wait for room for the next; return whether that is still wanted."""
        with self._changed:
            if not self._over:
                self._kept.append(block)
                self._length += len(block)
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._length < self._most or self._over or self._left)
            return not (self._over or self._left)
