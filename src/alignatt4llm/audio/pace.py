"""Audio no faster than it would be heard."""

import time
from collections.abc import Iterable, Iterator

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples


def in_real_time(pieces: Iterable[Samples], began: float | None = None) -> Iterator[Samples]:
    """Yield each piece when its last sample would have been heard, or at once if that is past.

    ``began`` is when the first sample was due, as `time.monotonic` has it; now by default.
    """
    began, heard = time.monotonic() if began is None else began, 0
    for piece in pieces:
        heard += len(piece)
        time.sleep(max(0.0, began + heard / SAMPLE_RATE - time.monotonic()))
        yield piece
