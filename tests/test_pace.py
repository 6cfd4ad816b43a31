import time

import numpy as np

from alignatt4llm.audio.pace import in_real_time


def numbered(count, size=160):
    for index in range(count):
        yield np.full(size, index, np.float32)


def test_nothing_is_lost_and_nothing_comes_early():
    began, heard = time.monotonic(), []
    for piece in in_real_time(numbered(20)):
        heard.append(piece)
        assert time.monotonic() - began >= sum(map(len, heard)) / 16_000 - 1e-3
    assert np.array_equal(np.concatenate(heard), np.concatenate(list(numbered(20))))
