"""Any replica makes the same draft, whatever it keeps; the judge travels by its data."""

import asyncio
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessions import EN_DE, SPEECH, decided, play, said, session_of, talk

from alignatt4llm.cluster.drafts import Ask, Lane
from alignatt4llm.cluster.engine import Engine
from alignatt4llm.cluster.kept import Kept
from alignatt4llm.cluster.translator import ClusterTranslator
from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.headset import HeadScore, HeadSet
from alignatt4llm.policy.base import View
from alignatt4llm.policy.table import make_policy, spellings
from alignatt4llm.prompts.forms import FORMS, FewShotPrompt, prompt_form
from alignatt4llm.prompts.prompt import Closed
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.system import System
from alignatt4llm.translators.llamacpp.template import ChatTemplate

HEADS = HeadSet("scripted", "en-de", ((0, 0),))
SCRIPTED = System("scripted", "scripted", "scripted")


class Travelling:
    """Replicas in this process; everything that passes is pickled, as Ray does."""

    def __init__(self, engines, turns=(0,)):
        self.engines, self.turns, self.count = engines, turns, 0

    def ask(self, method, *arguments, stream=""):
        engine = self.engines[self.turns[self.count % len(self.turns)]]
        self.count += 1
        sent = pickle.loads(pickle.dumps(arguments))
        answer = pickle.loads(pickle.dumps(asyncio.run(getattr(engine, method)(*sent))))
        if isinstance(answer, AlignattError):
            raise answer
        return answer

    def tell(self, method, *arguments, stream=""):
        for engine in self.engines:
            asyncio.run(getattr(engine, method)(*arguments))


@pytest.mark.parametrize("spelled", spellings())
def test_judges_travel_and_judge_the_same(spelled):
    heads = HeadSet("m", "en-de", ((0, 0), (1, 1)), weights=(1.0, -0.5))
    policy = make_policy(spelled, heads, LATENCIES["medium"].policy, EN_DE.target)
    judge = policy.judge(View(("one", "two"), 1, ""))
    if judge is None:
        return
    rows = np.array([[[0.5, 0.1, 0.2]] * 2, [[0.1, 0.3, 0.6]] * 2], np.float32)
    words = np.array([0, 0, 1])
    assert pickle.loads(pickle.dumps(judge))(rows, words) == judge(rows, words)


TEMPLATE = ChatTemplate("{{ bos_token }}{{ messages[-1]['content'] }}|", "<s>", "</s>")


@pytest.mark.parametrize("form", FORMS)
def test_prompts_travel_and_ask_the_same(form):
    asks = prompt_form(TEMPLATE, EN_DE, form)
    given = (("one", "two"), "eins", (Closed("A.", "B."),), "a talk")
    assert pickle.loads(pickle.dumps(asks))(*given) == asks(*given)


def test_heads_travel_without_how_they_were_found():
    ranked = HeadSet("m", "en-de", ((0, 0),), ranking=(HeadScore(0, 0, 0.5),), origin={"a": 1})
    assert ranked.bare == HeadSet("m", "en-de", ((0, 0),))


@pytest.mark.parametrize("turns", [(0,), (1,), (0, 1), (0, 0, 1), (1, 0, 0, 1, 1)])
def test_the_same_is_said_whatever_replica_answers(turns):
    plain, _ = decided(Engine(SCRIPTED)._interpreter.translator, HEADS)
    engines = [Engine(SCRIPTED, streams=1) for _ in range(2)]
    assert decided(ClusterTranslator(Travelling(engines, turns)), HEADS)[0] == plain


@pytest.mark.models
@pytest.mark.parametrize("turns", [(0,), (0, 1, 1)])
def test_a_model_says_the_same_whatever_replica_answers(two_models, turns):
    plain, engines = two_models
    assert decided(ClusterTranslator(Travelling(engines, turns)), *plain[1:]) == plain[0]


@pytest.fixture(scope="module")
def two_models():
    system = System("embedded", "scripted", "llama.cpp")
    engines = [Engine(system, streams=1), Engine(system, streams=1)]
    interpreter = engines[0]._interpreter
    heads = interpreter.heads(EN_DE)
    return (decided(interpreter.translator, heads), heads), engines


class Counted:
    def __init__(self, opened):
        self.closed, self.opened = False, opened
        opened.append(self)

    def close(self):
        assert not self.closed
        self.closed = True


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans())), st.integers(1, 3))
def test_no_more_drafters_stay_open_than_are_kept(calls, most):
    opened = []
    kept = Kept(most, lambda lane: Counted(opened))
    for name, ends in calls:
        lane = Lane(str(name), EN_DE, HEADS)
        with kept.drafter(lane) as drafter:
            assert not drafter.closed
        if ends:
            kept.drop(lane.stream)
        assert sum(not each.closed for each in opened) == len(kept) <= most


def test_a_stream_that_is_drafted_for_twice_at_once_has_two_drafters():
    opened = []
    kept, lane = Kept(4, lambda lane: Counted(opened)), Lane("one", EN_DE, HEADS)
    with kept.drafter(lane) as first, kept.drafter(lane) as second:
        assert first is not second
    assert len(kept) == 1 and sum(not each.closed for each in opened) == 1


def test_a_drafter_that_fails_is_not_kept():
    opened = []
    kept, lane = Kept(4, lambda lane: Counted(opened)), Lane("one", EN_DE, HEADS)
    with pytest.raises(ValueError), kept.drafter(lane):
        raise ValueError
    assert opened[0].closed and not len(kept)


def test_what_a_replica_refuses_is_told_as_it_is():
    class Refusing:
        def open(self, *_):
            raise AlignattError("No such head.")

    engine = Engine(SCRIPTED)
    engine._interpreter.translator = Refusing()
    with pytest.raises(AlignattError, match=r"^No such head\.$"):
        ClusterTranslator(Travelling([engine])).open(EN_DE, HEADS)


def test_a_session_over_replicas_closes_its_drafters():
    engine = Engine(SCRIPTED)
    drafter = ClusterTranslator(Travelling([engine])).open(EN_DE, HEADS)
    session = session_of(TimedTextRecognizer(talk(SPEECH, 14.0)), drafter=drafter)
    events = play(session, [np.zeros(16000, np.float32)] * 16)
    assert said(events).split() == SPEECH.upper().split()
    assert not len(engine._kept)


def test_a_call_carries_everything():
    """A replica that has never heard of a stream answers it."""
    lane, prompt = Lane("one", EN_DE, HEADS), FewShotPrompt(EN_DE)(("a", "b"), "A")
    draft = asyncio.run(Engine(SCRIPTED).draft(Ask(lane, prompt, 8)))
    assert draft.text == " B" and draft.ended


def test_a_replica_says_what_it_was_asked_to_load():
    found = pickle.loads(pickle.dumps(asyncio.run(Engine(SCRIPTED, ["en-de"]).describe())))
    assert found.models == (SCRIPTED, ("en-de",))
