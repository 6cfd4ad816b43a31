"""What a computer can do live: which of several models and engines is taken, by what they cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.machine import live
from alignatt4llm.machine.live import HEARING, LIVE, TOKENS, Option, Speed, choose, machine
from alignatt4llm.settings.latency import LATENCIES

CHUNK = {name: latency.chunk for name, latency in LATENCIES.items()}
FAST, FAIR, SLOW, HOPELESS = (
    Speed(0.02, 0.005),
    Speed(0.2, 0.02),
    Speed(1.6, 0.02),
    Speed(5.0, 1.0),
)
SPEEDS = st.builds(Speed, st.floats(1e-4, 10), st.floats(1e-4, 10))
OPTIONS = st.lists(
    st.builds(Option, st.sampled_from(["large", "small"]), st.sampled_from("ab"), SPEEDS),
    min_size=1,
    max_size=6,
)


def test_a_second_of_speech_costs_its_chunks_and_its_tokens():
    assert Speed(0.14, 0.02).load(0.7) == pytest.approx(0.14 / 0.7 + TOKENS * 0.02)
    assert Speed(0.14, 0.02).load(1.4) == pytest.approx(0.1 + 0.14)


@pytest.mark.parametrize(
    ("speed", "latency", "is_live"),
    [
        (FAST, "low", True),
        (FAIR, "low", True),
        (FAIR, "medium", True),
        (SLOW, "medium", False),
        (SLOW, "high", True),
        (HOPELESS, "high", False),
        (Speed(0.0, (LIVE - HEARING) / TOKENS), "medium", True),
        (Speed(0.001, (LIVE - HEARING) / TOKENS), "medium", False),
    ],
)
def test_live_is_what_leaves_room_for_the_recogniser(speed, latency, is_live):
    assert speed.is_live(CHUNK[latency]) == is_live


@pytest.mark.parametrize(
    ("speed", "load"),
    [
        (Speed(0.14, 0.02), 0.2 + 0.14),  # as it comes
        (Speed(0.7, 0.02), 0.7 / 2.1 + 0.14),  # two joined are too slow, three are not
        (Speed(7.0, 0.04), 7.0 / 2.8 + 0.28),  # too slow, whatever is joined
    ],
)
def test_as_few_chunks_are_joined_as_keep_up(speed, load):
    assert speed.settled(0.7) == pytest.approx(load)


TABLE = [
    # what was measured, better models first; latency; which is taken
    ([("large", "a", FAIR), ("small", "a", FAST)], "medium", ("large", "a")),
    ([("large", "a", SLOW), ("small", "a", FAST)], "medium", ("small", "a")),
    ([("large", "a", SLOW), ("small", "a", FAST)], "high", ("large", "a")),
    ([("large", "a", HOPELESS), ("small", "a", SLOW)], "medium", ("small", "a")),
    ([("small", "a", FAIR), ("small", "b", FAST)], "medium", ("small", "b")),
    ([("small", "a", FAST), ("small", "b", FAIR)], "medium", ("small", "a")),
    ([("large", "a", SLOW), ("large", "b", FAIR), ("small", "a", FAST)], "low", ("large", "b")),
    ([("large", "a", FAIR), ("large", "b", FAST), ("small", "a", FAST)], "low", ("large", "b")),
    ([("small", "a", HOPELESS)], "low", ("small", "a")),
    ([("large", "a", SLOW), ("small", "a", HOPELESS)], "low", ("large", "a")),
]


@pytest.mark.parametrize(("measured", "latency", "taken"), TABLE)
def test_the_best_model_that_is_live_is_taken_where_it_is_fastest(measured, latency, taken):
    found = choose([Option(*each) for each in measured], CHUNK[latency])
    assert (found.model, found.engine) == taken


@given(OPTIONS, st.sampled_from(sorted(CHUNK.values())))
def test_nothing_better_or_faster_is_left(options, chunk):
    found = choose(options, chunk)
    live_ones = [option for option in options if option.speed.is_live(chunk)]
    assert found.speed.is_live(chunk) or not live_ones
    same = [option for option in options if option.model == found.model]
    assert all(found.speed.load(chunk) <= option.speed.load(chunk) for option in same)
    if live_ones:
        assert found.model == live_ones[0].model


@given(SPEEDS, st.floats(0.1, 100))
def test_a_larger_model_takes_no_less(speed, size):
    at_least = speed.at_least(size)
    assert at_least.read >= speed.read and at_least.step >= speed.step
    assert at_least.load(0.7) <= max(1.0, size) * speed.load(0.7) * (1 + 1e-9)


def test_a_computer_is_its_processor_and_the_threads_that_may_compute(monkeypatch):
    monkeypatch.setattr(live, "available_cpus", lambda: 6)
    monkeypatch.delenv("ALIGNATT_THREADS", raising=False)
    six = machine()
    monkeypatch.setenv("ALIGNATT_THREADS", "2")
    assert six.endswith(", 6 threads") and machine().endswith(", 2 threads")
    assert six.partition(",")[0].strip()
