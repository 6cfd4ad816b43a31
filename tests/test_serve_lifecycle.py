"""The life of a session: whatever happens to it, it goes only the ways there are, and ends."""

from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.serve.errors import Draining, Idle
from alignatt4llm.serve.lifecycle import Life, State
from alignatt4llm.serve.limits import Limits

IMPATIENT = Limits(resume=1e-9, idle=1e-9)
CLIENTS = st.sampled_from("abc")
TURNS = st.one_of(
    st.tuples(st.sampled_from(["come", "go"]), CLIENTS),
    st.tuples(st.just("end"), st.none() | st.just(Idle("No audio."))),
    st.tuples(st.just("pause"), st.just(Draining("Restart."))),
)
BEFORE = {
    State.ATTACHED: {State.WAITING, State.ATTACHED},
    State.WAITING: {State.WAITING, State.ATTACHED},
    State.ENDING: {State.WAITING, State.ATTACHED, State.ENDING},
    State.PAUSING: {State.WAITING, State.ATTACHED, State.PAUSING},
}


@given(st.lists(TURNS, max_size=20))
def test_whatever_happens_a_session_leaves_its_place_within_its_limits(turns):
    life = Life()
    for turn, argument in turns:
        before = life.state
        getattr(life, turn)(argument)
        assert before in BEFORE[life.state]
        taking = life.state in (State.WAITING, State.ATTACHED)
        assert life.overdue(IMPATIENT) == taking  # the others are bounded by the engine's time
    assert life.stop() and life.state is State.OVER
    for turn, argument in turns:
        getattr(life, turn)(argument)
        assert life.state is State.OVER and not life.overdue(IMPATIENT)


@given(st.lists(st.tuples(st.sampled_from(["come", "go"]), CLIENTS), max_size=20))
def test_the_last_who_came_feeds_the_session_until_he_goes(turns):
    life, feeding = Life(), None
    for turn, client in turns:
        getattr(life, turn)(client)
        if turn == "come":
            feeding = client
        elif client == feeding:
            feeding = None
        assert [life.fed_by(one) for one in "abc"] == [one == feeding for one in "abc"]
        assert (life.state is State.ATTACHED) == (feeding is not None)


def test_the_first_end_decides_why():
    life, first = Life(), Idle("No audio.")
    assert life.end(first)
    assert not life.end(Idle("Again."))
    assert not life.pause(Draining("Restart."))
    assert life.stop() and life.problem is first
