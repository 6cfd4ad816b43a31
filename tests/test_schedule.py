"""Schedules of the three regimes, computed by hand, and the same text from all of them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.bench.schedules import MeasuredTimeline, measure
from alignatt4llm.events import Commit, End
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.recognizers.timed import TimedTextRecognizer, spread
from alignatt4llm.schedule import REGIMES, LiveTimeline, SimulatedTimeline, Work, run
from alignatt4llm.session import Session, SessionSettings
from alignatt4llm.text.languages import Pair
from alignatt4llm.transcript import SourceSettings
from alignatt4llm.translators.scripted import ScriptedDrafter

PAIR = Pair.parse("en-de")
WORDS = spread("one two six ten.", 0, 4, PAIR.source)  # a word a second
R, T, F = Work.RECOGNISE, Work.TRANSLATE, Work.FINISH


def pieces(seconds, of):
    return [np.zeros(round(of * SAMPLE_RATE), np.float32)] * round(seconds / of)


def session(now=lambda: 0.0, words=WORDS):
    return Session(
        TimedTextRecognizer(words, hold_back=0),
        ScriptedDrafter(),
        AlignAtt(HeadSet("scripted", "en-de", ((0, 0),))),
        FewShotPrompt(PAIR),
        PAIR,
        SessionSettings(SourceSettings(margin=0)),
        now,
    )


def simulate(regime, audio, takes, words=WORDS):
    timeline = SimulatedTimeline(audio, takes)
    stream = session(lambda: timeline.now, words)
    return list(run(stream, timeline, REGIMES[regime], 1.0)), timeline.log


def rounded(log):
    return [(work, round(start, 6), round(end, 6)) for work, start, end in log]


def said(events):
    return "".join(event.text for event in events if isinstance(event, Commit))


def test_alternating_never_runs_two_things_at_once():
    events, log = simulate("alternating", pieces(4, 1), {R: 0.4, T: 0.8, F: 0.5})
    assert rounded(log) == [
        (R, 1.0, 1.4), (T, 1.4, 2.2),
        (R, 2.2, 2.6), (T, 2.6, 3.4),
        (R, 3.4, 3.8), (T, 3.8, 4.6),
        (R, 4.6, 5.0), (T, 5.0, 5.8),
        (F, 5.8, 6.3),
    ]  # fmt: skip
    commits = [(e.text, e.audio_s, round(e.wall_s, 6)) for e in events if isinstance(e, Commit)]
    assert commits[:3] == [("ONE", 1.0, 2.2), (" TWO", 2.0, 3.4), (" SIX", 3.0, 4.6)]


def test_overlapping_recognises_the_next_chunk_meanwhile():
    events, log = simulate("overlapping", pieces(4, 1), {R: 0.4, T: 0.8, F: 0.5})
    assert rounded(log) == [
        (R, 1.0, 1.4), (T, 1.4, 2.2), (R, 2.0, 2.4), (T, 2.4, 3.2),
        (R, 3.0, 3.4), (T, 3.4, 4.2), (R, 4.0, 4.4), (T, 4.4, 5.2),
        (F, 5.2, 5.7),
    ]  # fmt: skip
    commits = [round(e.wall_s, 6) for e in events if isinstance(e, Commit)]
    assert commits[:3] == [2.2, 3.2, 4.2]


def test_a_translator_that_is_late_sees_the_newest_source_only():
    events, log = simulate("overlapping", pieces(4, 1), {R: 0.4, T: 1.5, F: 0.5})
    assert rounded(log) == [
        (R, 1.0, 1.4), (T, 1.4, 2.9), (R, 2.0, 2.4), (T, 2.9, 4.4), (R, 3.0, 3.4),
        (R, 4.0, 4.4), (T, 4.4, 5.9), (F, 5.9, 6.4),
    ]  # fmt: skip
    texts = [e.text for e in events if isinstance(e, Commit)]
    assert texts[:2] == ["ONE", " TWO"]
    assert texts[2].startswith(" SIX")


def test_asynchronous_takes_whatever_is_there():
    _, log = simulate("asynchronous", pieces(2, 0.5), {R: 0.75, T: 1.0, F: 0.5})
    assert rounded(log) == [
        (R, 0.5, 1.25), (R, 1.25, 2.0), (T, 1.25, 2.25), (R, 2.0, 2.75),
        (T, 2.25, 3.25), (T, 3.25, 4.25), (F, 4.25, 4.75),
    ]  # fmt: skip


def test_late_chunks_are_joined():
    _, log = simulate("alternating", pieces(6, 1), {R: [2.5, 0.1], T: 0.1, F: 0})
    assert rounded(log)[:5] == [
        (R, 1.0, 3.5), (T, 3.5, 3.6), (R, 3.6, 3.7), (T, 3.7, 3.8), (R, 4.0, 4.1)
    ]  # fmt: skip


def test_the_account_of_latency_is_that_of_the_schedule():
    events, log = simulate("alternating", pieces(4, 1), {R: 0.4, T: 0.8, F: 0.5})
    end = events[-1]
    assert isinstance(end, End)
    assert [round(ms) for ms in end.elapsed[:3]] == [2200, 3400, 4600]
    assert [round(ms) for ms in end.delays[:3]] == [1000, 2000, 3000]
    assert end.wall_s == pytest.approx(log[-1][2])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(REGIMES)),
    st.lists(st.floats(0, 3), min_size=1, max_size=5),
    st.lists(st.floats(0, 3), min_size=1, max_size=5),
    st.integers(1, 4),
)
def test_whatever_takes_how_long_the_text_is_the_same(regime, hearing, saying, length):
    text = "one two three four. five six seven eight nine ten. eleven"
    words = spread(text, 0, 3 * length, PAIR.source)
    events, log = simulate(regime, pieces(3 * length, 0.5), {R: hearing, T: saying}, words)
    plain = session(words=words)
    fed = [e for piece in pieces(3 * length, 1) for e in plain.feed(piece)]
    assert said(events) == said([*fed, *plain.finish()])
    for work in (R, T):
        runs = [(start, end) for what, start, end in log if what is work]
        assert all(end <= start for (_, end), (start, _) in pairwise(runs))


@pytest.mark.parametrize("regime", sorted(REGIMES))
def test_with_no_time_to_wait_for_every_regime_commits_the_same(regime):
    events, _ = simulate(regime, pieces(4, 1), {})
    stream = session()
    fed = [e for piece in pieces(4, 1) for e in stream.feed(piece)]
    plain = [e for e in [*fed, *stream.finish()] if isinstance(e, Commit)]
    assert [(e.text, e.audio_s) for e in events if isinstance(e, Commit)] == [
        (e.text, e.audio_s) for e in plain
    ]


@pytest.mark.parametrize("regime", sorted(REGIMES))
def test_threads_give_the_same_text(regime):
    with LiveTimeline(pieces(4, 0.5)) as timeline:
        events = list(run(session(), timeline, REGIMES[regime], 1.0))
    assert said(events) == "ONE TWO SIX TEN."
    assert isinstance(events[-1], End)


def test_an_error_in_a_thread_is_raised():
    class Deaf:
        def feed(self, samples):
            raise RuntimeError("deaf")

        def finish(self):
            raise RuntimeError("deaf")

    stream = session()
    stream._recognizer = Deaf()
    with pytest.raises(RuntimeError, match="deaf"), LiveTimeline(pieces(1, 0.5)) as timeline:
        list(run(stream, timeline, REGIMES["overlapping"], 0.5))


def test_an_error_of_the_source_is_raised():
    def broken():
        yield from pieces(1, 0.5)
        raise OSError("unplugged")

    with pytest.raises(OSError, match="unplugged"), LiveTimeline(broken()) as timeline:
        list(run(session(), timeline, REGIMES["alternating"], 1.0))


def test_stopping_finishes_what_is_being_done_and_begins_nothing():
    timeline = SimulatedTimeline(pieces(4, 1), {R: 0.4, T: 0.8})
    stream = session(lambda: timeline.now)
    events = list(run(stream, timeline, REGIMES["overlapping"], 1.0, lambda: timeline.now >= 2.0))
    assert said(events) == "ONE"
    assert [work for work, _, _ in timeline.log] == [R, T]


def test_measured_work_takes_as_long_as_it_took():
    wall = iter(range(1000))  # every look at the clock is a second later
    audio = pieces(4, 1)
    timeline = MeasuredTimeline(audio, lambda: float(next(wall)))
    stream = session(lambda: timeline.now)
    list(run(stream, timeline, REGIMES["alternating"], 1.0))
    assert rounded(timeline.log)[:3] == [(R, 1.0, 2.0), (T, 2.0, 3.0), (R, 3.0, 4.0)]


def test_every_schedule_is_measured():
    found = measure(session, np.zeros(4 * SAMPLE_RATE, np.float32), 1.0)
    assert set(found) == set(REGIMES)
    assert all(late.units == 4 and late.elapsed >= late.delay for late in found.values())
