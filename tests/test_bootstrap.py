"""Intervals and paired tests on statistics whose answers are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.bootstrap import Measure, compare, score


def ratio(total):
    return float(total[0] / total[1]) if total[1] else math.nan


def mean_of(*values):
    return Measure(np.array([(value, 1.0) for value in values]), ratio, "mean")


def test_the_value_is_that_of_the_sums():
    pooled = score(Measure(np.array([(1.0, 2.0), (5.0, 4.0)]), ratio, "share"))
    assert pooled.value == 1.0  # (1 + 5) / (2 + 4), not the mean of 0.5 and 1.25
    assert pooled.signature == "share|bs:1000|n:2|seed:12345"


def test_equal_units_leave_no_doubt():
    found = score(mean_of(3.0, 3.0, 3.0))
    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)


def test_the_interval_of_two_units():
    # Samples of two: (0, 0), (0, 1), (1, 0), (1, 1); a quarter each lies at either end.
    found = score(mean_of(0.0, 1.0))
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


def test_the_interval_of_many_units_is_the_textbooks():
    draws = np.random.default_rng(1).normal(10.0, 2.0, 400)
    found = score(mean_of(*draws))
    expected = 1.96 * draws.std() / 20
    assert found.low == pytest.approx(draws.mean() - expected, abs=0.03)
    assert found.high == pytest.approx(draws.mean() + expected, abs=0.03)


def test_one_unit_has_a_value_but_no_interval():
    found = score(mean_of(2.0))
    assert (found.value, found.low, found.high) == (2.0, None, None)
    assert "bs:no|n:1" in found.signature


def test_what_is_not_defined_is_none_and_left_out_of_the_interval():
    nothing = Measure(np.zeros((3, 2)), ratio, "mean")
    assert score(nothing).value is None
    assert score(nothing).low is None
    partly = Measure(np.array([(0.0, 0.0), (2.0, 1.0)]), ratio, "mean")
    assert (score(partly).low, score(partly).high) == (2.0, 2.0)


def test_a_system_is_no_better_than_itself():
    one = mean_of(1.0, 2.0, 4.0)
    found = compare(one, one)
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert found.signature.endswith("|paired")


def test_pairing_sees_what_the_units_share():
    """Units differ by hundreds, the systems by one on each: certain only if paired."""
    units = np.arange(0.0, 400.0, 20.0)
    better, worse = mean_of(*(units + 1)), mean_of(*units)
    found = compare(better, worse)
    assert found.difference == pytest.approx(1.0)
    assert found.low == pytest.approx(1.0)
    assert found.p < 0.01
    assert score(better).low < score(worse).high


def test_a_difference_by_chance_and_one_that_is_not():
    noise = np.random.default_rng(2).normal(0.0, 1.0, 50)
    noise -= noise.mean()
    base = mean_of(*np.zeros(50))
    assert compare(mean_of(*(noise + 0.02)), base).p > 0.5
    clear = compare(mean_of(*(noise + 1.0)), base)
    assert clear.p < 0.01
    assert clear.low > 0
    assert compare(base, mean_of(*(noise + 1.0))).difference == pytest.approx(-1.0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12))
def test_intervals_lie_within_the_units_and_are_the_same_each_time(values):
    found = score(mean_of(*values))
    assert found == score(mean_of(*values))
    if found.low is not None:
        assert min(values) - 1e-6 <= found.low <= found.high <= max(values) + 1e-6
