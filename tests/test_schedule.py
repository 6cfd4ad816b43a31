"""Schedules of the three regimes, computed by hand, and the same text from all of them."""

import time
from itertools import pairwise
from threading import Event as Flag

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.bench.schedules import measure
from alignatt4llm.events import Commit, End, Source
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.recognizers.timed import TimedTextRecognizer, spread
from alignatt4llm.schedule.feeder import REGIMES, Feeder, Pushed, run
from alignatt4llm.schedule.timelines import (
    LiveTimeline,
    MeasuredTimeline,
    Pulled,
    SimulatedTimeline,
    Work,
)
from alignatt4llm.session import Session, SessionSettings
from alignatt4llm.text.languages import Pair
from alignatt4llm.transcript import Heard, Recognition, SourceSettings
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
    return list(run(Feeder(stream, 1.0, REGIMES[regime]), timeline)), timeline.log


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
        events = list(run(Feeder(session(), 1.0, REGIMES[regime]), timeline))
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
        list(run(Feeder(stream, 0.5, REGIMES["overlapping"]), timeline))


class Failing:
    """Says a thing and fails in the same step; it may fail to hear as well."""

    def __init__(self, deaf_after=9):
        self.targets, self.stays = {"de": self}, True
        self.chunks, self.deaf_after = 0, deaf_after
        self.deaf = Flag()

    def listen(self, samples):
        self.chunks += 1
        if self.chunks > self.deaf_after:
            self.deaf.set()
            raise RuntimeError("deaf")
        return Heard(Recognition((), ()), len(samples))

    def translate(self, heard):
        if self.deaf_after < 9:
            assert self.deaf.wait(10)
        yield Commit("ONE", 0, 0.5, 0.5, 0)
        raise RuntimeError("dumb")


@pytest.mark.parametrize("regime", sorted(REGIMES))
def test_what_was_said_before_the_work_failed_is_not_lost(regime):
    events = []
    with pytest.raises(RuntimeError, match="dumb"), LiveTimeline(pieces(1, 0.5)) as timeline:
        for event in run(Feeder(Failing(), 0.5, REGIMES[regime]), timeline):
            events.append(event)
    assert said(events) == "ONE"


def test_when_the_recogniser_fails_what_is_being_translated_is_still_said():
    def slowly():
        for piece in pieces(1, 0.5):
            yield piece
            time.sleep(0.1)

    events, stream = [], Failing(deaf_after=1)
    with pytest.raises(RuntimeError, match="deaf"), LiveTimeline(slowly()) as timeline:
        for event in run(Feeder(stream, 0.5, REGIMES["overlapping"]), timeline):
            events.append(event)
    assert said(events) == "ONE"


def test_leaving_does_not_wait_for_all_that_is_still_to_be_said():
    drafts = []

    class Long(Failing):
        def translate(self, heard):
            return iter(())

        def finish(self):
            for index in range(20):
                drafts.append(index)
                yield Commit("WORD", 0, 1.0, 1.0, 0)
                time.sleep(0.05)

    with LiveTimeline(pieces(1, 0.5)) as timeline:
        first = (e for e in run(Feeder(Long(), 0.5), timeline) if isinstance(e, Commit))
        assert next(first).text == "WORD"
    assert len(drafts) < 20


def broken(seconds):
    yield from pieces(seconds, 0.5)
    raise OSError("unplugged")


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("regime", sorted(REGIMES))
def test_an_error_of_the_source_is_raised_when_all_that_was_heard_is_said(regime, live):
    events = []
    with LiveTimeline(broken(2.5)) as threads:
        timeline = threads if live else Pulled(broken(2.5))
        with pytest.raises(OSError, match="unplugged"):
            for event in run(Feeder(session(), 1.0, REGIMES[regime]), timeline):
                events.append(event)
    assert said(events) == "ONE TWO SIX TEN."  # timed text knows its end
    assert isinstance(events[-1], End) and events[-1].audio_s == 2.5


def stopping(timeline, events, when):
    """Take events, and stop the audio once ``when`` of them are there."""
    taken = []
    for event in events:
        taken.append(event)
        if len(taken) == when:
            timeline.stop()
    return taken


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(REGIMES)),
    st.booleans(),
    st.lists(st.integers(1, 40_000), min_size=1, max_size=12),
    st.integers(1, 40),
)
def test_whenever_it_is_stopped_all_that_was_heard_is_said(regime, live, sizes, when):
    words = spread("one two three four. five six seven eight", 0, 8, PAIR.source)
    audio = [np.zeros(size, np.float32) for size in sizes]
    with LiveTimeline(audio) as threads:
        timeline = threads if live else Pulled(audio)
        stream = session(words=words)
        feeder = Feeder(stream, 0.7, REGIMES[regime], longest=0.7)
        events = stopping(timeline, run(feeder, timeline), when)
    assert isinstance(events[-1], End)
    heard = stream.transcript.samples
    assert events[-1].audio_s == heard / SAMPLE_RATE
    plain = session(words=words)
    size = round(0.7 * SAMPLE_RATE)
    fed = [e for at in range(0, heard, size) for e in plain.feed(np.zeros(min(size, heard - at)))]
    assert said(events) == said([*fed, *plain.finish()])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=12))
def test_however_audio_comes_in_the_same_is_said(sizes):
    words = spread("one two three four. five six seven eight", 0, 8, PAIR.source)
    audio = [np.zeros(size, np.float32) for size in sizes]
    pulled = list(run(Feeder(session(words=words), 0.7, longest=0.7), Pulled(audio)))
    pushed = Pushed(Feeder(session(words=words), 0.7, longest=0.7))
    fed = [event for samples in audio for event in pushed.feed(samples)]
    assert [*fed, *pushed.finish()][:-1] == pulled[:-1]
    plain, total = session(words=words), sum(sizes)
    size = round(0.7 * SAMPLE_RATE)
    chunk_by_chunk = [
        event
        for at in range(0, total, size)
        for event in plain.feed(np.zeros(min(size, total - at), np.float32))
    ]
    assert [*chunk_by_chunk, *plain.finish()][:-1] == pulled[:-1]


def test_a_stream_that_is_left_unfinished_ends_with_its_last_whole_chunk():
    audio = pieces(2.5, 0.5)
    stream = session()
    events = list(run(Feeder(stream, 1.0, finishes=lambda: False), Pulled(audio)))
    assert said(events) == "ONE TWO"
    assert not any(isinstance(event, End) for event in events)
    assert stream.transcript.samples == 2 * SAMPLE_RATE


def test_late_audio_is_joined_up_to_a_bound():
    stream = session()
    audio = iter(pieces(4, 1))
    left = [4]

    def ready():
        left[0] -= 1
        return left[0] > 0

    clocks = [
        event.audio_s
        for event in run(Feeder(stream, 1.0, longest=2.0), Pulled(audio, ready, longest=9.0))
        if isinstance(event, Source)
    ]
    assert clocks == [2.0, 4.0, 4.0]


def test_measured_work_takes_as_long_as_it_took():
    wall = iter(range(1000))  # every look at the clock is a second later
    audio = pieces(4, 1)
    timeline = MeasuredTimeline(audio, lambda: float(next(wall)))
    stream = session(lambda: timeline.now)
    list(run(Feeder(stream, 1.0), timeline))
    assert rounded(timeline.log)[:3] == [(R, 1.0, 2.0), (T, 2.0, 3.0), (R, 3.0, 4.0)]


def test_every_schedule_is_measured():
    found = measure(session, np.zeros(4 * SAMPLE_RATE, np.float32), 1.0)
    assert set(found) == set(REGIMES)
    assert all(late.units == 4 and late.elapsed >= late.delay for late in found.values())


class Deafened:
    """Hears two chunks while the first is translated, and fails at the third."""

    def __init__(self):
        self.targets, self.stays = {"de": self}, True
        self.heard, self.deaf = 0, Flag()

    def listen(self, samples):
        self.heard += 1
        if self.heard == 3:
            self.deaf.set()
            raise RuntimeError("deaf")
        return Heard(Recognition((), ()), len(samples))

    def translate(self, heard):
        assert self.deaf.wait(10)
        for _ in heard:
            yield Commit(" said", 0, 0.5, 0.5, 0)


def test_what_was_recognised_before_the_recogniser_failed_is_translated():
    events = []
    with pytest.raises(RuntimeError, match="deaf"), LiveTimeline(pieces(2, 0.5)) as timeline:
        for event in run(Feeder(Deafened(), 0.5, REGIMES["overlapping"], 0.5), timeline):
            events.append(event)
    assert said(events) == " said said"
