"""Places are counted once, wherever a speaker goes, and given back whoever dies."""

import asyncio
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alignatt4llm.cluster import ledger as ledger_module
from alignatt4llm.cluster.ledger import LEASE, Ledger
from alignatt4llm.cluster.places import Counter, SharedPlaces
from alignatt4llm.serve.errors import Busy

TOTAL = 5


def test_places_are_taken_until_there_are_none():
    ledger = Ledger()
    assert ledger.take("a", {"x": 2}, 2, 3, 0.0) == 3
    assert ledger.take("b", {"y": 1}, 1, 3, 0.0) == 1
    assert ledger.take("b", {"y": 1, "z": 1}, 1, 3, 0.0) == 0
    assert ledger.tell("a", {"x": 2}, 3, 0.1) == 1


def test_those_of_a_replica_that_is_not_heard_of_are_given_back():
    ledger = Ledger()
    ledger.take("a", {"x": 3}, 3, 3, 0.0)
    assert ledger.take("b", {"y": 1}, 1, 3, LEASE - 0.1) == 0
    assert ledger.take("b", {"y": 1}, 1, 3, LEASE) == 3


def test_a_session_that_moves_is_counted_once():
    ledger = Ledger()
    ledger.take("a", {"x": 3}, 3, 3, 0.0)
    assert ledger.take("b", {"x": 3}, 3, 3, 1.0) == 3
    assert ledger.shown(1.0)["taken"] == 3
    assert ledger.take("c", {"y": 1}, 1, 3, 1.0) == 0


@pytest.mark.parametrize("held", [{}, {"": 1}, {"x": 1}, {"x": 1, "y": 2, "": 1}])
def test_what_is_held_is_what_was_last_told(held):
    ledger = Ledger()
    ledger.take("a", {"x": 2, "z": 1}, 3, 5, 0.0)
    assert ledger.tell("a", held, 5, 0.1) == 0
    assert ledger.tell("b", {}, 5, 0.1) == sum(held.values())


def test_other_work_of_replicas_is_counted_for_each():
    ledger = Ledger()
    ledger.tell("a", {"": 2}, 4, 0.0)
    assert ledger.take("b", {"": 2}, 2, 4, 0.0) == 2
    assert ledger.shown(0.0)["taken"] == 4


@pytest.mark.parametrize("later", [0.0, 0.5, LEASE - 0.1])
def test_a_ledger_that_starts_again_gives_nobody_a_place_that_is_held(later):
    ledger = Ledger()  # before, a held 2 and b 3 of 5
    assert ledger.tell("a", {"x": 2}, TOTAL, 0.0, 3) == 3
    assert ledger.take("a", {"x": 2, "n": 1}, 1, TOTAL, later, 3) == 0
    assert ledger.take("b", {"y": 3, "n": 1}, 1, TOTAL, later, 2) == 0


def test_what_was_heard_before_is_forgotten_after_a_lease():
    ledger = Ledger()
    assert ledger.tell("a", {"x": 2}, TOTAL, 7.0, 3) == 3
    assert ledger.tell("a", {"x": 2}, TOTAL, 7.0 + LEASE, 3) == 0
    assert ledger.take("a", {"x": 2, "n": 3}, 3, TOTAL, 7.0 + LEASE, 3) == 3


def test_a_counter_that_starts_again_is_told_what_replicas_heard():
    async def calls():
        places = SharedPlaces(Restarting(), "a")
        await places.tell({"x": 2}, TOTAL)
        Restarting.counter = Counter()
        await places.tell({"x": 2}, TOTAL)
        with pytest.raises(Busy):
            await places.take({"x": 2, "n": 1}, 1, TOTAL)
        return places.taken

    Restarting.counter = Counter()
    Restarting.counter.tell("b", {"y": 3}, TOTAL)
    assert asyncio.run(calls()) == 3


class Restarting:
    """The counter's actor, in this process, whatever counter it has just now."""

    counter = Counter()

    def __getattr__(self, name):
        async def remote(*arguments):
            return getattr(self.counter, name)(*arguments)

        return SimpleNamespace(remote=remote)


HELD = st.dictionaries(st.sampled_from(["", "x", "y", "z"]), st.just(1))


@given(st.lists(st.tuples(st.sampled_from("abc"), HELD, st.sampled_from([0.0, 1.0, LEASE]))))
def test_places_are_those_of_all_sessions_that_anybody_alive_holds(said):
    ledger, heard, now = Ledger(), {}, 0.0
    for holder, held, pause in said:
        now += pause
        heard[holder] = (now, held)
        others = [
            {name or other for name in theirs}
            for other, (when, theirs) in heard.items()
            if other != holder and now - when < LEASE
        ]
        assert ledger.tell(holder, held, TOTAL, now) == len(set().union(*others) - held.keys())


def test_what_a_call_costs_does_not_grow_with_the_cluster():
    def lines(others):
        ledger, count = Ledger(), 0
        for number in range(others):
            ledger.tell(f"{number}", {f"{number}.{each}": 1 for each in range(4)}, TOTAL, 0.0)

        def trace(frame, event, argument):
            nonlocal count
            count += event == "line" and frame.f_code.co_filename == ledger_module.__file__
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            elsewhere = ledger.tell("0", {"0.0": 1}, TOTAL, 0.1)
        finally:
            sys.settrace(before)
        assert elsewhere == 4 * (others - 1)
        return count

    assert lines(10) == lines(1000) > 10


class Counting(RuleBasedStateMachine):
    """Replicas that take and give back, and die; never is more taken than there is."""

    def __init__(self):
        super().__init__()
        self.ledger, self.held, self.now, self.count = Ledger(), {}, 0.0, 0

    @rule(holder=st.sampled_from("abc"), places=st.integers(1, 3))
    def take(self, holder, places):
        held = self.held.setdefault(holder, {})
        self.count += 1
        wanted = {**held, str(self.count): places}
        if self.ledger.take(holder, wanted, places, TOTAL, self.now) >= places:
            held[str(self.count)] = places

    @rule(holder=st.sampled_from("abc"))
    def give(self, holder):
        if held := self.held.get(holder):
            held.popitem()
            self.ledger.tell(holder, held, TOTAL, self.now)

    @rule(holder=st.sampled_from("abc"))
    def die(self, holder):
        self.held.pop(holder, None)

    @rule()
    def wait(self):
        self.now += 1.0
        for holder, held in self.held.items():
            self.ledger.tell(holder, held, TOTAL, self.now)

    @invariant()
    def no_more_than_there_are(self):
        assert sum(sum(held.values()) for held in self.held.values()) <= TOTAL
        assert self.ledger.shown(self.now)["taken"] <= TOTAL


TestCounting = Counting.TestCase
