"""Attention over audio frames into times and scores, by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.attended import Attended
from alignatt4llm.recognizers.frames import FRAME, audio_scores, monotone, words_at


def peaked(frames, length=20):
    rows = np.full((len(frames), length), 0.01, np.float32)
    rows[np.arange(len(frames)), frames] = 1
    return rows


def test_peaks_in_order_stay_as_they_are():
    assert monotone(peaked([0, 3, 3, 9])).tolist() == [0, 3, 3, 9]


def test_one_stray_peak_does_not_drag_the_rest_along():
    assert monotone(peaked([1, 19, 3, 4, 5])).tolist() == [1, 7.75, 7.75, 7.75, 7.75]
    assert monotone(peaked([1, 9, 3, 12])).tolist() == [1, 6, 6, 12]


@given(st.lists(st.integers(0, 19), max_size=12))
def test_frames_never_go_back_and_keep_their_mean(peaks):
    frames = monotone(peaked(peaks)) if peaks else np.zeros(0)
    assert all(a <= b for a, b in pairwise(frames))
    assert len(frames) == len(peaks)
    assert not peaks or frames.mean() == pytest.approx(np.mean(peaks))


def test_tokens_end_where_the_next_begins():
    words = words_at("a bc", [(0, 1), (1, 2), (2, 4)], np.array([0.0, 0.5, 10.0]), 5.0)
    assert [word.text for word in words] == ["a", "bc"]
    assert (words[0].start, words[0].end) == (0, pytest.approx(0.5 * FRAME))
    assert words[1].start == pytest.approx(0.4)
    assert words[1].end == pytest.approx(0.4 + FRAME)


def test_heads_are_scored_by_hits_within_the_word():
    rows = np.stack([peaked([2, 10, 19]), peaked([9, 0, 0])], 1)  # [T, H, F]
    times = [(0.0, 0.2), (0.4, 0.44), None]
    assert audio_scores(rows, times).tolist() == [1.0, 0.5]
    assert audio_scores(rows, [None] * 3).tolist() == [0, 0]


def word(text, start, end):
    return SourceWord(text, start, end)


def test_attended_words_are_final_at_once_but_for_the_last_and_those_at_the_end():
    attended = Attended(0.5)
    first = [word("one", 0, 1), word("two", 1, 2), word("three", 2, 2.6), word("four", 2.6, 2.9)]
    assert [w.text for w in attended.update(first, 3.0)] == ["one", "two"]
    assert [w.text for w in attended.pending] == ["three", "four"]
    assert attended.update([word("four", 2.1, 2.2)], 3.0) == []
