"""Attention over audio frames into the times of words; pure functions over numpy arrays."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.events import SourceWord

FRAME = 0.04
"""Seconds of audio of one frame."""

TOLERANCE = 5
"""Frames by which a peak may miss its word and still count as a hit."""


def monotone(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the frame that each token looks at, never going back.

    Speech is said in order, so the peaks of the rows are fitted by a non-decreasing sequence with
    the least squared error (pool adjacent violators): one token that looks astray moves its
    neighbours a little instead of dragging all that follow along.

    Parameters
    ----------
    rows
        Attention of each token over the frames, shape [T, F].

    Returns
    -------
    NDArray
        Frames, shape [T], non-decreasing.
    """
    blocks: list[tuple[float, int]] = []  # mean and size
    for peak in rows.argmax(-1):
        mean, size = float(peak), 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean = (before * count + mean * size) / (count + size)
            size += count
        blocks.append((mean, size))
    return np.array([mean for mean, size in blocks for _ in range(size)])


def words_at(
    text: str,
    spans: Sequence[tuple[int, int]],
    frames: NDArray[np.float64],
    duration: float,
) -> list[SourceWord]:
    """Give each piece of a text the time of its token.

    Parameters
    ----------
    text
        What was said.
    spans
        Characters of each token, length T.
    frames
        Frame of each token, shape [T].
    duration
        Seconds of audio.

    Returns
    -------
    list of SourceWord
        One for each token that says something; a token ends where the next begins, and at the
        latest one frame after its own.
    """
    starts = [frame * FRAME for frame in frames]
    ends = [*starts[1:], duration]
    return [
        SourceWord(text[first:last], start, min(max(end, start), start + FRAME))
        for (first, last), start, end in zip(spans, starts, ends, strict=True)
        if text[first:last].strip()
    ]


def audio_scores(
    rows: NDArray[np.float32], times: Sequence[tuple[float, float] | None]
) -> NDArray[np.float64]:
    """Score heads by how often they look at the word that is being said.

    The TS of a head over audio: the share of tokens whose peak lies within their word, give or
    take `TOLERANCE` frames.

    Parameters
    ----------
    rows
        Attention of each token, shape [T, H, F].
    times
        Seconds in which each token's word is spoken; None for tokens of no word.

    Returns
    -------
    NDArray
        Shape [H].
    """
    known = [i for i, time in enumerate(times) if time is not None]
    if not known:
        return np.zeros(rows.shape[1])
    spoken = np.array([time for time in times if time is not None]) / FRAME  # [K, 2]
    peaks = rows[known].argmax(-1)  # [K, H]
    hit = (peaks >= spoken[:, :1] - TOLERANCE) & (peaks <= spoken[:, 1:] + TOLERANCE)
    score: NDArray[np.float64] = hit.mean(0)
    return score
