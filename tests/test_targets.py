"""One speaker, many targets: each says what it would say alone, and none waits for another."""

import gc
import weakref
from functools import cache
from itertools import count
from threading import Event as Flag
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sessions import EN_DE

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.events import Close, Commit, End, Source, SourceWord, TargetState
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.outputs.only import Only
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.recognizers.timed import TimedTextRecognizer, spread
from alignatt4llm.schedule.feeder import ALTERNATING, REGIMES, Feeder, run
from alignatt4llm.schedule.lanes import Lanes
from alignatt4llm.schedule.timelines import Arrived, Came, LiveTimeline, SimulatedTimeline, Work
from alignatt4llm.session import Session, SessionSettings
from alignatt4llm.stream import Begins, Standing, Stream
from alignatt4llm.text.languages import Pair
from alignatt4llm.transcript import SourceSettings
from alignatt4llm.translators.scripted import ScriptedDrafter

TEXT = (
    "The first train leaves at seven. Nobody knows why it is so late, but it is. We wait and see "
    "what comes next, as we always do. Then we go home."
)
WORDS = spread(TEXT, 0, 12, EN_DE.source)
TARGETS = ("de", "it", "zh", "fr")
R, T, F = Work.RECOGNISE, Work.TRANSLATE, Work.FINISH


class Counting(TimedTextRecognizer):
    """Counts how often it is asked, and for how much."""

    def __init__(self, words):
        super().__init__(words, hold_back=0)
        self.samples = self.ends = 0

    def feed(self, samples):
        self.samples += len(samples)
        return super().feed(samples)

    def finish(self):
        self.ends += 1
        return super().finish()


def in_language(code):
    """A translator whose words say which language they are in, some of them twice as many."""

    def script(words):
        twice = code in ("it", "fr")
        return [
            (f" {code}{word}" + (f" {code}" if twice else ""), n) for n, word in enumerate(words)
        ]

    return script


def session(to, recognizer, now=lambda: 0.0, drafter=None):
    pair = Pair.parse(f"en-{to}")
    return Session(
        recognizer,
        drafter or ScriptedDrafter(in_language(to)),
        AlignAtt(HeadSet("scripted", str(pair), ((0, 0),))),
        FewShotPrompt(pair),
        pair,
        SessionSettings(SourceSettings(margin=0)),
        now,
    )


def stream_of(targets, words=WORDS, now=lambda: 0.0):
    ears = Counting(words)
    stream = Stream(ears, EN_DE.source, SourceSettings(margin=0), now)
    for to in targets:
        stream.add(session(to, ears, now))
    return stream


def silence(seconds, of=0.5):
    return [np.zeros(round(of * SAMPLE_RATE), np.float32)] * round(seconds / of)


def said(events, to):
    return "".join(e.text for e in events if isinstance(e, Commit) and e.to == to)


def in_words(text):
    """The words, whether their sentences had ended when they were said or not."""
    return text.replace(".", "").split()


@cache
def alone(to, words=tuple(WORDS), seconds=14, chunk=1.0):
    timeline = SimulatedTimeline(silence(seconds), {})
    return list(run(Feeder(stream_of([to], words), chunk, longest=chunk), timeline))


def simulated(targets, takes, regime=ALTERNATING, seconds=14, longest=30.0, words=WORDS):
    timeline = SimulatedTimeline(silence(seconds), takes)
    stream = stream_of(targets, words, lambda: timeline.now)
    return list(run(Feeder(stream, 1.0, regime, longest), timeline)), stream, timeline


def times(values):
    return st.lists(values, min_size=1, max_size=5)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["alternating", "overlapping"]),  # whose chunks do not depend on time
    st.lists(st.sampled_from(TARGETS), min_size=1, max_size=4, unique=True),
    times(st.floats(0, 2)),
    st.lists(times(st.floats(0, 4)), min_size=4, max_size=4),
)
def test_whatever_each_takes_each_says_what_it_says_alone(regime, targets, hearing, saying):
    takes = {R: hearing, **{(T, to): each for to, each in zip(TARGETS, saying, strict=True)}}
    events, stream, _ = simulated(targets, takes, REGIMES[regime], longest=1.0)
    for to in targets:
        assert said(events, to) == said(alone(to), to)
        assert [e.to for e in events if isinstance(e, End)].count(to) == 1
    assert stream.recognizer.samples == 14 * SAMPLE_RATE and stream.recognizer.ends == 1


def test_a_target_alone_is_a_session():
    timeline = SimulatedTimeline(silence(14), {R: 0.1, T: 0.3})
    lone = session("de", TimedTextRecognizer(WORDS, hold_back=0), lambda: timeline.now)
    assert list(run(Feeder(lone, 1.0), timeline)) == simulated(["de"], {R: 0.1, T: 0.3})[0]


@pytest.mark.parametrize("regime", sorted(REGIMES))
@pytest.mark.parametrize("fast", TARGETS)
def test_a_slow_target_holds_no_other_up(regime, fast):
    """However slow the others are, what is said of a target is said when it would be alone."""
    takes = {R: 0.1, (T, fast): 0.2}
    lone = simulated([fast], takes, REGIMES[regime])[0]
    slow = {(T, to): 9.0 for to in TARGETS if to != fast}
    events = simulated(TARGETS, {**takes, **slow}, REGIMES[regime])[0]

    def when(events):
        return [(e.text, e.wall_s) for e in events if isinstance(e, Commit) and e.to == fast]

    assert when(events) == when(lone)
    ends = [e.to for e in events if isinstance(e, End)]
    assert ends[0] == fast and sorted(ends) == sorted(TARGETS)


def test_a_slow_target_is_shown_the_newest_source():
    """It takes five seconds a step, and is never more than two steps behind."""
    events = simulated(["de", "it"], {R: 0, (T, "de"): 0.1, (T, "it"): 5.0})[0]
    behind = [e.wall_s - e.audio_s for e in events if isinstance(e, Commit) and e.to == "it"]
    assert 5.0 <= max(behind) <= 10.0


@pytest.mark.parametrize("slow", [("de",), ("it", "zh"), ("zh", "de", "fr"), ()])
def test_what_is_heard_is_told_once(slow):
    takes = {R: 0.1, **{(T, to): 3.3 for to in slow}}
    sources = [e for e in simulated(TARGETS, takes)[0] if isinstance(e, Source)]
    reach = [(e.audio_s, e.first + len(e.committed)) for e in sources]
    assert reach == sorted(reach) and len(set(reach)) >= len(reach) - len(TARGETS)
    heard = {}
    for source in sources:
        for index, word in enumerate(source.committed, source.first):
            assert heard.setdefault(index, word) == word  # committed words never change
    assert [word.text for _, word in sorted(heard.items())] == TEXT.split()


def spoken_in(events, to):
    """What the closes of a target say was spoken, each found in what was heard as it counts."""
    only, words, spoken = Only(to), (), []
    for event in filter(None, map(only.take, events)):
        assert event.to == to
        if isinstance(event, Source | TargetState):
            words = event.committed if isinstance(event, Source) else ()
        if isinstance(event, Close):
            assert event.source == " ".join(word.text for word in words[: event.words])
            assert event.start == words[0].start
            spoken.append(event.source)
            words = words[event.words :]
    return " ".join(spoken)


@pytest.mark.parametrize("takes", [{}, {(T, "it"): 2.5}, {(T, "de"): 4.0, (T, "zh"): 0.7}])
def test_the_events_of_one_target_are_those_of_a_stream_of_its_own(takes):
    """Its utterances, and in every close the words that were heard in it."""
    events = simulated(TARGETS, {R: 0.1, **takes})[0]
    for to in TARGETS:
        assert spoken_in(events, to) == TEXT


@pytest.mark.parametrize("at", [3, 12, 20, 27])
@pytest.mark.parametrize("begins", Begins)
@pytest.mark.parametrize("slow", [0.0, 3.0])
def test_so_are_those_of_a_target_that_is_late(at, begins, slow):
    events, _ = late(begins, at, takes={(T, "it"): slow})
    assert spoken_in(events, "de") == TEXT
    mine = spoken_in(events, "it")
    assert TEXT.endswith(mine) and (begins is Begins.NEXT or mine == TEXT)


def test_one_target_of_several_by_hand():
    words = [SourceWord(name, n, n + 1) for n, name in enumerate("abcdef")]

    def source(first, last, to):
        return Source(9, tuple(words[first:last]), (), float(last), to, first)

    def heard(event):
        found = only.take(event)
        return found.utterance, found.first, "".join(word.text for word in found.committed)

    only = Only("de")
    assert heard(source(0, 2, "de")) == (0, 0, "ab")
    assert only.take(Close(0, "a", "A", 0, 1, 2.0, 1, "it")) is None
    assert heard(source(1, 3, "it")) == (0, 0, "abc")
    assert only.take(Close(0, "a b", "A B", 0, 2, 3.0, 2, "de")).words == 2
    assert heard(source(1, 4, "it")) == (1, 2, "cd")
    assert heard(source(3, 6, "it")) == (1, 2, "cdef")
    assert heard(source(0, 6, "zh")) == (1, 2, "cdef")
    for first, last in [(0, 5), (4, 5), (7, 9)]:  # less than was told, and beyond a gap
        assert only.take(source(first, last, "zh")) is None
    late = Only("de")  # to whom nothing of before was told
    assert late.take(source(3, 5, "it")) is None
    own = late.take(source(2, 4, "de"))
    assert (own.utterance, own.first, len(own.committed)) == (9, 2, 2)


def late(begins, at, to="it", drops=None, again=None, words=WORDS, takes=None):
    """Play a stream into which a target comes after so many steps."""
    timeline = SimulatedTimeline(silence(14), takes or {})
    stream = stream_of(["de"], words)
    feeder, events = Feeder(stream, 1.0, longest=1.0), []
    feeder.begin(timeline)
    for step in count():
        if feeder.over:
            return events, stream
        if step == at:
            stream.add(session(to, None), begins)
        if step == drops:
            stream.drop(to)
        if step == again:
            past = Standing(utterance=7, said=True)
            stream.add(session(to, None), begins, past)
        events += feeder.take(timeline.next())
        feeder.begin(timeline)
    return None


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 45))
def test_a_late_target_begins_with_an_utterance(at):
    events, _ = late(Begins.NEXT, at)
    assert said(events, "de") == said(alone("de"), "de")
    joined = [e for e in events if isinstance(e, TargetState)]
    mine = [e for e in events if e.type != "notice" and e.to == "it"]
    if not joined:  # no utterance began after it
        assert [type(e) for e in mine] == [End]
        return
    first = joined[0].first
    assert mine[0] is joined[0]
    assert first == 0 or TEXT.split()[first - 1].endswith(".")
    whole = said(alone("it", tuple(WORDS[first:])), "it")
    assert said(events, "it") == whole


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 50), times(st.floats(0, 5)))
def test_a_late_target_may_begin_with_the_first_word(at, slow):
    events, _ = late(Begins.START, at, takes={(T, "it"): slow})
    assert in_words(said(events, "it")) == in_words(said(alone("it"), "it"))
    if any(isinstance(e, Commit) and e.to == "it" for e in events):
        assert [e.first for e in events if isinstance(e, TargetState)] == [0]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 25), st.integers(1, 20))
def test_a_dropped_target_says_what_was_heard_and_ends(at, more):
    events, stream = late(Begins.START, at, drops=at + more)
    [end] = [e for e in events if isinstance(e, End) and e.to == "it"]
    text = said(events, "it")
    words = in_words(text)
    assert in_words(said(alone("it"), "it"))[: len(words)] == words
    later = events[events.index(end) + 1 :]
    assert not any(e.to == "it" for e in later if not isinstance(e, Source))
    assert said(events, "de") == said(alone("de"), "de") and not stream.targets
    heard = sum(word.end <= end.audio_s for word in WORDS)
    assert len(words) >= 2 * (heard - 5)  # a chunk may have been heard between drop and end


def test_a_target_that_was_dropped_may_come_again():
    events, _ = late(Begins.NEXT, 2, drops=16, again=22)
    assert [e.to for e in events if isinstance(e, End)].count("it") == 2
    numbers = [e.utterance for e in events if isinstance(e, Close) and e.to == "it"]
    assert numbers == sorted(set(numbers)) and max(numbers) >= 7
    assert "itThe" in said(events, "it") and " itThen" in said(events, "it")


class Drafter(ScriptedDrafter):
    """Counts how often what it keeps is freed."""

    def __init__(self, closed):
        super().__init__(in_language("it"))
        self.closed = closed

    def close(self):
        self.closed.append(self)


@pytest.mark.parametrize("begins", [None, *Begins])
@pytest.mark.parametrize("names", [("it",), ("it", "zh", "it"), ("fr",) * 7])
@pytest.mark.parametrize("ends", [True, False])
def test_of_a_target_that_has_ended_nothing_is_kept(begins, names, ends):
    """It is freed once, when it has ended; the others when the stream is closed."""
    stream, closed, kept = stream_of([]), [], []
    for to in names:
        one = session(to, None, drafter=Drafter(closed))
        kept.append(weakref.ref(one))
        stream.add(one, begins)
        if ends:
            stream.drop(to)
            list(stream.targets[to].finish())
            del one
            gc.collect()
            assert kept[-1]() is None
    assert len(closed) == ends * len(names)
    stream.close()
    assert len(set(closed)) == len(closed) == len(names)


@pytest.mark.parametrize("begins", Begins)
@pytest.mark.parametrize("slow", [R, T, (T, "it"), F])
@pytest.mark.parametrize("codes", [("it",), ("it", "fr")])
def test_a_target_that_comes_while_the_end_is_said_is_said_too(begins, slow, codes):
    """Whatever takes time after the audio has ended, whoever comes meanwhile says the same."""
    timeline = SimulatedTimeline(silence(14), {slow: 5.0})
    stream = stream_of(["de"], WORDS, lambda: timeline.now)
    feeder, events, coming = Feeder(stream, 1.0), [], list(codes)
    feeder.begin(timeline)
    while not feeder.over:
        events += feeder.take(timeline.next(feeder.hungry))
        while coming and timeline.now >= 14:
            stream.add(session(coming.pop(), None), begins)
        feeder.begin(timeline)
    assert sorted(e.to for e in events if isinstance(e, End)) == sorted(["de", *codes])
    assert not stream.targets
    for to in codes:
        whole, mine = in_words(said(alone(to), to)), in_words(said(events, to))
        assert mine == whole or (begins is Begins.NEXT and mine == whole[len(whole) - len(mine) :])


def test_threads_say_the_same():
    """Real threads, whoever is first; the recogniser has heard everything once."""
    for timeline in (Lanes(silence(14)), LiveTimeline(silence(14), len(TARGETS))):
        stream = stream_of(TARGETS)
        with timeline:
            events = list(run(Feeder(stream, 1.0, longest=1.0), timeline))
        for to in TARGETS:
            assert said(events, to) == said(alone(to), to)
        assert stream.recognizer.ends == 1


@pytest.mark.parametrize("pieces", [0, 1, 4, 7])
@pytest.mark.parametrize("longest", [1.0, 30.0])
@pytest.mark.parametrize("stops", [1, 3])
@pytest.mark.parametrize("targets", [("de",), TARGETS])
def test_a_source_that_waits_can_be_stopped_and_left(pieces, longest, stops, targets):
    """What it brought is said to its end, whether anybody presses Ctrl-C once or often."""
    waits, goes_on, left = Flag(), Flag(), Flag()

    def audio():
        yield from silence(pieces, 1.0)
        waits.set()
        goes_on.wait()

    events = []

    def play():
        with Lanes(audio()) as timeline:
            stopper = Thread(
                target=lambda: [waits.wait(), *(timeline.stop() for _ in range(stops))]
            )
            stopper.start()
            events.extend(run(Feeder(stream_of(targets), 1.0, longest=longest), timeline))
            stopper.join()
        left.set()

    Thread(target=play, daemon=True).start()
    try:
        assert left.wait(20)
    finally:
        goes_on.set()
    for to in targets:
        assert in_words(said(events, to)) == in_words(said(alone(to, seconds=pieces), to))


class Dumb:
    """A target that fails at its second step."""

    to = "it"
    stays = True

    def __init__(self):
        self.steps = 0

    def translate(self, heard):
        self.steps += 1
        if self.steps == 2:
            raise RuntimeError("dumb")
        yield Commit("UNO", 0, 1.0, 1.0, 0, (), "it")

    def close(self):
        pass


def test_when_one_target_fails_the_others_say_what_was_heard_before():
    stream = stream_of(["de"])
    stream.add(Dumb())
    events = []
    with pytest.raises(RuntimeError, match="dumb"), Lanes(silence(14)) as timeline:
        for event in run(Feeder(stream, 1.0, longest=1.0), timeline):
            events.append(event)
    assert said(events, "it") == "UNO"
    assert said(alone("de"), "de").startswith(said(events, "de"))


def test_lanes_take_audio_only_when_it_is_of_use():
    taken = []

    def audio():
        for piece in silence(3, 1.0):
            taken.append(piece)
            yield piece

    with Lanes(audio()) as timeline:
        assert isinstance(timeline.next(True)[0], Arrived)
        timeline.start(R, lambda: ["heard"])
        news = timeline.next(False)
        assert news[0] == Came(R, "heard")
    assert len(taken) == 1
