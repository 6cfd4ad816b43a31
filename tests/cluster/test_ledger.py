"""Places are counted once, wherever a speaker goes, and given back whoever dies."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alignatt4llm.cluster.ledger import LEASE, Ledger

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
