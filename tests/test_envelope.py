"""The envelope of rivals: corners, heights and differences found by hand."""

import math

import numpy as np
import pytest
from evaluating import hypothesis, made_run, recording
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.bootstrap import Measure
from alignatt4llm.cli.main import main
from alignatt4llm.evaluate.envelope import Placed, above, height, hull

NAN = math.nan

HULLS = {
    "none": ([], []),
    "one": ([(2, 40)], [(2, 40)]),
    "a dominated point": ([(1, 40), (2, 39)], [(1, 40)]),
    "a point below the line": ([(1, 40), (2, 41), (3, 44)], [(1, 40), (3, 44)]),
    "a point above the line": ([(1, 40), (2, 43), (3, 44)], [(1, 40), (2, 43), (3, 44)]),
    "a point on the line": ([(1, 40), (2, 42), (3, 44)], [(1, 40), (3, 44)]),
    "later and worse at the end": ([(1, 40), (2, 44), (3, 43)], [(1, 40), (2, 44)]),
    "later and no better": ([(1, 40), (2, 44), (3, 44)], [(1, 40), (2, 44)]),
    "the same latency twice": ([(1, 40), (1, 38), (2, 41)], [(1, 40), (2, 41)]),
    "in any order": ([(3, 44), (1, 40), (2, 43)], [(1, 40), (2, 43), (3, 44)]),
    "twice the same": ([(1, 40), (1, 40)], [(1, 40)]),
    "what could not be measured": ([(NAN, 50), (1, 40), (2, NAN)], [(1, 40)]),
}


@pytest.mark.parametrize(("points", "corners"), HULLS.values(), ids=HULLS)
def test_corners_by_hand(points, corners):
    assert hull(points) == corners


@pytest.mark.parametrize(
    ("latency", "reached"),
    [(0.5, 40), (1, 40), (1.5, 41.5), (2, 43), (2.75, 43.75), (3, 44), (9, 44)],
)
def test_heights_by_hand(latency, reached):
    assert height([(1, 40), (2, 43), (3, 44)], latency) == pytest.approx(reached)


def test_without_rivals_there_is_no_envelope():
    assert math.isnan(height([], 1.0))


points = st.lists(st.tuples(st.floats(0.5, 5), st.floats(0, 100)), min_size=1, max_size=12)


@given(points, st.floats(0.1, 6))
def test_no_rival_lies_above_the_envelope_and_it_never_falls(given_points, latency):
    corners = hull(given_points)
    for at, quality in given_points:
        assert quality <= height(corners, at) + 1e-6
    assert height(corners, latency) <= height(corners, latency + 0.3) + 1e-9
    assert height(corners, latency) <= max(quality for _, quality in given_points) + 1e-9


def mean_of(values):
    return Measure(np.array([(value, 1.0) for value in values]), lambda s: s[0] / s[1], "mean")


def placed(latency, quality):
    return Placed(mean_of(latency), mean_of(quality))


def test_a_difference_by_hand():
    """Rivals at (1, 40) and (3, 44): 42 at 2 s. Every sample of equal units is the whole."""
    rivals = [placed([1, 1], [40, 40]), placed([3, 3], [44, 44])]
    found = above(placed([2, 2], [43.5, 43.5]), rivals)
    assert (found.difference, found.low, found.high) == pytest.approx((1.5, 1.5, 1.5))
    assert found.signature.endswith("above the envelope of 2")


def test_the_interval_is_paired():
    """Units are as hard for all: 10 apart, and always 1 above, whatever is drawn."""
    rivals = [placed([1, 1], [30, 40]), placed([3, 3], [34, 44])]
    found = above(placed([2, 2], [33, 43]), rivals)
    assert (found.difference, found.low, found.high) == pytest.approx((1, 1, 1))


def test_the_envelope_is_found_anew_on_every_sample():
    """By hand: of units (20, 50) and (40, 30) drawn twice, the better rival has 50 or 40, of each
    once, 35 and 35; the run has 45 in each.
    """
    rivals = [placed([1, 1], [20, 50]), placed([1, 1], [40, 30])]
    found = above(placed([1, 1], [45, 45]), rivals)
    assert found.difference == pytest.approx(10)
    assert (found.low, found.high) == pytest.approx((-5, 10))


def test_who_is_earlier_than_all_is_held_against_the_earliest():
    found = above(placed([0.5, 0.5], [39, 39]), [placed([1, 1], [40, 40])])
    assert found.difference == pytest.approx(-1)


def test_no_rivals_no_difference():
    found = above(placed([1, 1], [40, 40]), [])
    assert (found.difference, found.low, found.p) == (None, None, None)


@pytest.fixture
def runs(tmp_path):
    """The better run says all words as they are spoken, the rivals say a wrong one or are late."""
    talks = [recording(name, (0.0, 4.0, "s", "das kleine haus ist alt")) for name in ("a", "b")]

    def made(folder, text, late):
        said = [500.0 + late, 1000.0 + late, 1500.0 + late, 2500.0 + late, 3000.0 + late]
        hypotheses = [hypothesis(talk.name, text, said, length=4000.0) for talk in talks]
        return str(made_run(tmp_path / folder, talks, hypotheses, policy=folder).folder)

    return [
        made("alignatt", "das kleine haus ist alt", 0.0),
        made("early", "das kleine haus ist rot", 0.0),
        made("late", "das kleine haus ist alt", 900.0),
    ]


def test_the_command(runs, capsys):
    assert main(["evaluate", "envelope", runs[0], "--rivals", *runs[1:]]) == 0
    told = capsys.readouterr().out
    chrf, bleu = (next(line for line in told.splitlines() if name in line) for name in QUALITY)
    assert float(chrf.split()[1]) > 5 and float(bleu.split()[1]) > 5
    assert "above the envelope of 2" in chrf
    assert main(["evaluate", "envelope", runs[2], "--rivals", *runs[:2]]) == 0
    assert capsys.readouterr().out.split()[1] == "0.000"


QUALITY = ("chrf ", "bleu ")


def test_rivals_over_other_recordings_are_refused(runs, tmp_path, capsys):
    other = recording("other", (0.0, 2.0, "s", "das haus"))
    said = hypothesis("other", "das haus", [500.0, 900.0])
    folder = str(made_run(tmp_path / "other", [other], [said]).folder)
    assert main(["evaluate", "envelope", runs[0], "--rivals", folder]) == 2
    assert "different recordings or pairs" in capsys.readouterr().err
