"""Audio as it becomes due, and all at once what piled up while nobody could take it."""

import time
from collections.abc import Iterable, Iterator
from queue import Empty, Queue
from threading import Event, Thread

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples

_LONGEST = 30 * SAMPLE_RATE
"""Samples joined into one chunk at most; recognisers look at no more at a time."""
_QUEUED = 4096
"""Chunks waiting at most; beyond it the source is made to wait."""


def in_real_time(chunks: Iterable[Samples]) -> Iterator[Samples]:
    """Yield chunks no faster than they would be heard; late ones are joined.

    A thread reads ahead, so that a live source is drained however long the consumer takes. No
    sample is lost.
    """
    queue: Queue[Samples | BaseException | None] = Queue(_QUEUED)
    stopped = Event()

    def read() -> None:
        began, heard = time.monotonic(), 0
        try:
            for chunk in chunks:
                heard += len(chunk)
                stopped.wait(max(0.0, began + heard / SAMPLE_RATE - time.monotonic()))
                if stopped.is_set():
                    return
                queue.put(chunk)
            queue.put(None)
        except BaseException as problem:
            queue.put(problem)

    Thread(target=read, daemon=True).start()
    try:
        yield from _joined(queue)
    finally:
        stopped.set()


def _joined(queue: "Queue[Samples | BaseException | None]") -> Iterator[Samples]:
    item = queue.get()
    while item is not None:
        batch: list[Samples] = []
        while isinstance(item, np.ndarray) and sum(map(len, batch)) < _LONGEST:
            batch.append(item)
            try:
                item = queue.get_nowait()
            except Empty:
                yield np.concatenate(batch)
                batch, item = [], queue.get()
        if batch:
            yield np.concatenate(batch)
        if isinstance(item, BaseException):
            raise item
