"""The simulated cluster does what its parts do: by hand, whatever happens, and at any size."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignatt4llm.cluster.drafts import Lane
from alignatt4llm.cluster.kept import Kept
from alignatt4llm.cluster.simulation.costs import Costs
from alignatt4llm.cluster.simulation.replicas import Call, Clock, Engine
from alignatt4llm.cluster.simulation.ring import Ring
from alignatt4llm.cluster.simulation.shapes import Shape
from alignatt4llm.cluster.simulation.simulate import Simulation
from alignatt4llm.errors import UsageError

SCRIPTS = Path(__file__).parents[2] / "scripts"
BENCH = {
    "step_ms": 10,
    "pass_2_ms": 20,
    "pass_4_ms": 30,
    "pass_8_ms": 40,
    "pass_16_ms": 60,
    "prefill_ms": 144,
    "passes_per_chunk": 3.35,
    "tokens_per_chunk": 28.75,
}


FEEDS = st.lists(st.integers(1, 9), min_size=1, max_size=5).map(tuple)


class Plain:
    """A ring on which streams go around."""

    def __init__(self, replicas):
        self.replicas = replicas

    def ranked(self, stream):
        first = int(stream.removeprefix("s").partition(".")[0]) % len(self.replicas)
        return (self.replicas * 2)[first : first + min(3, len(self.replicas))]


class First(Plain):
    """A ring on which all streams have the same replica."""

    def ranked(self, stream):
        return self.replicas[:3]


def shaped(machines=1, places=99, **rest):
    return Shape(machines, places, chunk=1.0, **rest)


# Two passes of 0.1 s a chunk, 0.05 s of recognition. The second session begins 0.02 s later; its
# words wait for the recogniser until 1.05, for the pass that runs until 1.15, and then take two.
TWO = Costs({1: 0.1}, [[(1, 1)]], recognise=0.05)
# Passes of 1.2 s, a second of audio each: every chunk is 0.2 s later than the one before.
SLOW = Costs({1: 1.2}, [[(1,)]])
# Of 2.5 s: chunks 2 and 3 are joined, and so are 4 and 5 (there since 4 and 5, said by 8.5).
LATE = Costs({1: 2.5}, [[(1,)]])
# A prompt of 9 tokens is read once, of which a token costs 0.01 s more.
READS = Costs({1: 0.1, 11: 0.2}, [[(1,)]], prompt=9)
# Two drafts a chunk, of which the second is there 0.3 s after the first.
CLOSES = Costs({1: 0.1}, [[(1,), (1, 1)]], call=0.1, way=0.01)


@pytest.mark.parametrize(
    ("costs", "begins", "seconds", "lags"),
    [
        (TWO, [0.0], 1, [0.25]),
        (TWO, [0.0, 0.02], 1, [0.25, 0.33]),
        (TWO, [0.0, 0.5], 1, [0.25, 0.25]),
        (SLOW, [0.0], 4, [1.2, 1.4, 1.6, 1.8]),
        (LATE, [0.0], 3, [2.5, 4.0, 3.0]),
        (LATE, [0.0], 5, [2.5, 4.0, 3.0, 4.5, 3.5]),
        (READS, [0.0], 3, [0.19, 0.1, 0.1]),
        (CLOSES, [0.0], 1, [0.22, 0.52]),
        (TWO, [], 1, []),
    ],
)
def test_lags_by_hand(costs, begins, seconds, lags):
    result = Simulation(shaped(), costs, begins, seconds, Plain).run()
    assert result.lags.tolist() == pytest.approx(lags, abs=1e-5)
    assert result.chunks == len(begins) * seconds


@pytest.mark.parametrize("joined, lags", [(1.0, [2.5, 4.0, 5.5]), (2.0, [2.5, 4.0, 3.0])])
def test_no_more_is_joined_than_may_be(joined, lags):
    result = Simulation(shaped(joined=joined), LATE, [0.0], 3, Plain).run()
    assert result.lags.tolist() == pytest.approx(lags, abs=1e-5)


def test_a_machine_dies():
    """Session 0 is at the replica that dies at 2.5 s; it comes back within 0.5 to 1.5 s."""
    costs = Costs({1: 0.1, 11: 0.2}, [[(1,)]], prompt=10)
    homes = []
    run = Simulation(
        shaped(2), costs, [0.0] * 6, 6, Plain, [(2.5, 0)], told=lambda s, _: homes.append(s)
    )
    result = run.run()
    moved = [session for session in set(homes) if session.life]
    assert result.chunks == 36
    assert 1 <= len(moved) == result.resumed == len(result.gaps) < 6
    assert (result.gaps >= 0.5 + 0.2 - 1e-6).all()
    assert all(session.front.alive for session in homes)
    on_the_dead = [s for s in set(homes) if int(s.name[1:]) % 2 == 0 and not s.life]
    drafts = len(result.lags)
    assert result.missed * drafts >= 6 + len(moved) + len(on_the_dead) - 1


def test_a_draft_that_is_lost_with_its_replica_is_made_again():
    costs = Costs({1: 0.4}, [[(1,)]])
    for seed in range(20):  # until the session replica is on the machine that lives
        run = Simulation(shaped(2), costs, [0.0], 2, First, [(1.2, 0)], seed)
        result = run.run()
        if not result.resumed:
            break
    assert result.lags.tolist() == pytest.approx([0.2 + 0.05 + 0.4, 0.4], abs=1e-5)


@given(
    st.integers(1, 4),
    st.lists(st.floats(0, 5), max_size=25),
    st.integers(1, 30),
    st.lists(st.floats(0, 12), max_size=3),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_every_chunk_is_translated_once_whatever_dies(machines, begins, places, deaths, seed):
    shape = shaped(machines, places, fronts=2, streams=2, engines=2)
    dying = list(zip(deaths, range(machines - 1), strict=False))
    said, run = Counter(), None

    def told(session, now):
        said.update((session.name, session.done + number) for number in range(session.taken))
        homes = [front for fronts in run._fronts for front in fronts if session.name in front.held]
        assert [front for front in homes if front.alive] == [session.front]
        assert sum(len(front.held) for front in run._alive) <= places
        assert session.begin + session.done + session.taken <= now + 1e-5

    costs = Costs({1: 0.1, 8: 0.2}, [[(1, 1)], [], [(4, 1), (1,)]], 5, 0.02, 0.01, 0.01)
    run = Simulation(shape, costs, begins, 7, Plain, dying, seed, told)
    result = run.run()
    assert result.most <= places
    assert set(said.values()) <= {1}
    assert len(said) == result.chunks == 7 * (len(begins) - result.refused)
    assert not any(front.held for front in run._alive)


def test_more_machines_never_make_it_later():
    costs = Costs.of_bench(
        {name: 5 * value for name, value in BENCH.items() if "ms" in name}
        | {"passes_per_chunk": 4, "tokens_per_chunk": 20},
        100,
        0.02,
    )
    medians = []
    for machines in (2, 4, 8, 16):
        runs = [
            Simulation(Shape(machines, 99), costs, list(np.arange(16) / 9), 40, Ring, seed=seed)
            for seed in range(5)
        ]
        medians.append(np.median(np.concatenate([run.run().lags for run in runs])))
    assert medians == sorted(medians, reverse=True)
    assert medians[-1] < medians[0] / 2


@pytest.mark.parametrize("places, refused", [(1, 4), (4, 1), (5, 0)])
def test_sessions_beyond_the_places_are_refused(places, refused):
    result = Simulation(shaped(3, places), TWO, [0.0] * 5, 3, Plain).run()
    assert (result.refused, result.most) == (refused, 5 - refused)


def test_places_are_given_back():
    result = Simulation(shaped(2, 1), TWO, [0.0, 9.0], 3, Plain).run()
    assert (result.refused, result.chunks) == (0, 6)


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 4))
def test_an_engine_keeps_what_real_ones_keep(streams, most):
    opened, clock, costs = [], Clock(), Costs({1: 0.1}, [[(1,)]])
    engine = Engine(clock, costs, most)

    class Drafter:
        def close(self):
            pass

    def opens(lane):
        opened.append(lane)
        return Drafter()

    kept = Kept(most, opens)
    for stream in streams:
        with kept.drafter(Lane(str(stream), None, None)):
            pass
        engine.take(Call(stream, (1,), lambda: None, lambda: None))
        clock.run()
    assert engine.missed == len(opened)


@given(
    st.lists(st.floats(0, 3), min_size=1, max_size=12),
    st.lists(st.lists(FEEDS, max_size=2), min_size=2, max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_passes_that_are_computed_together_end_as_they_would_one_by_one(begins, drafts):
    costs = Costs({1: 0.013, 20: 0.17}, [[(2, 1)], *drafts], 7, recognise=0.011)

    def lags():
        shape = shaped(2, streams=3)
        return Simulation(shape, costs, begins, 6, Plain, [(3.3, 0)]).run().lags.tolist()

    together = lags()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_rounds", lambda self: 1)
        assert lags() == pytest.approx(together, abs=1e-4)


def test_a_full_engine_is_passed_over():
    costs = Costs({1: 0.1}, [[(1,)]])
    run = Simulation(shaped(2, streams=1), costs, [0.0] * 3, 1, First)
    result = run.run()
    assert [engine.calls for engine in run._engines.values()] == [2, 1]
    assert sorted(result.lags) == pytest.approx([0.1, 0.1, 0.2], abs=1e-5)


def test_a_stream_stays_on_the_ring_when_other_replicas_go():
    names = [f"engine-{number}" for number in range(8)]
    streams = [f"s{number}" for number in range(200)]
    before, after = Ring(names), Ring(names[1:])
    ranked = {stream: before.ranked(stream) for stream in streams}
    assert all(len(set(found)) == 3 for found in ranked.values())
    assert {found[0] for found in ranked.values()} == set(names)
    for stream, found in ranked.items():
        left = [name for name in found if name != names[0]]
        assert after.ranked(stream)[: len(left)] == left
    assert Ring([]).ranked("s") == []


@pytest.mark.parametrize(
    ("tokens", "seconds"),
    [(1, 0.01), (2, 0.02), (3, 0.025), (16, 0.06), (58, 0.102), (184, 0.228), (5000, 5.044)],
)
def test_passes_between_and_beyond_those_measured(tokens, seconds):
    assert Costs.of_bench(BENCH, 100, 0.1).seconds(tokens) == pytest.approx(seconds)


def test_chunks_have_the_passes_and_tokens_of_the_bench_in_the_mean():
    drafts = [draft for chunk in Costs.of_bench(BENCH, 100, 0.1).drafts for draft in chunk]
    assert np.mean([len(draft) for draft in drafts]) == pytest.approx(3.35)
    assert np.mean([sum(draft) for draft in drafts]) == pytest.approx(28.75, rel=0.03)


def test_costs_are_read_as_they_are_written():
    costs = Costs({1: 0.1, 8: 0.2}, [[(1, 1)], [], [(4, 1), (1,)]], 5, 0.02, 0.01, 0.03)
    again = Costs.read(json.loads(json.dumps(costs.written())))
    assert (again.passes, again.step(0, 3), again.way) == (costs.passes, costs.step(0, 3), 0.03)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Costs({}, [[(1,)]]),
        lambda: Costs({1: 0.0}, [[(1,)]]),
        lambda: Costs({1: 0.1}, []),
        lambda: Costs({1: 0.1}, [[]]),
        lambda: shaped(0),
        lambda: shaped(streams=0),
        lambda: shaped(joined=-1.0),
        lambda: Simulation(shaped(2), TWO, [], 1, Plain, [(1.0, 0), (2.0, 1)]),
        lambda: Simulation(shaped(1), TWO, [], 1, Plain, [(1.0, 0)]),
    ],
)
def test_what_cannot_be_simulated_is_said(wrong):
    with pytest.raises(UsageError):
        wrong()


def test_the_script_prints_a_row_for_each_size(tmp_path):
    bench = tmp_path / "bench.json"
    bench.write_text(json.dumps({"systems": [{"engine": "a", "model": "b", "figures": BENCH}]}))
    options = ["--sessions", "3", "20", "--seconds", "10", "--ramp", "2", "--price", "2"]
    said = subprocess.run(
        [sys.executable, SCRIPTS / "simulate_cluster.py", "--bench", bench, *options],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [line.split("|")[1:3] for line in said[2:]] == [[" 3 ", " 1 "], [" 20 ", " 5 "]]
    assert {line.count("|") for line in said} == {said[0].count("|")}
