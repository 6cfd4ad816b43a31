import time

import numpy as np
import pytest

from alignatt4llm.audio.pace import in_real_time


def numbered(count, size=160):
    for index in range(count):
        yield np.full(size, index, np.float32)


def test_nothing_is_lost_and_nothing_comes_early():
    began, heard = time.monotonic(), 0
    for chunk in in_real_time(numbered(20)):
        heard += len(chunk)
        assert time.monotonic() - began >= heard / 16_000 - 1e-3
    assert heard == 20 * 160


def test_what_piled_up_comes_as_one_chunk_in_order():
    received = []
    for chunk in in_real_time(numbered(40)):
        received.append(chunk)
        time.sleep(0.05)
    assert len(received) < 40
    assert np.array_equal(np.concatenate(received), np.concatenate(list(numbered(40))))


def test_a_problem_of_the_source_comes_after_its_audio():
    def broken():
        yield from numbered(2)
        raise OSError("gone")

    heard = []
    with pytest.raises(OSError, match="gone"):
        for chunk in in_real_time(broken()):
            heard.append(chunk)
    assert sum(map(len, heard)) == 320
