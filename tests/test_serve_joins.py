"""What is kept of a session whose targets come and go while others are behind."""

import asyncio
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import created, taken
from test_resume import METRICS, header
from test_targets import (
    TEXT,
    WORDS,
    Counting,
    T,
    alone,
    in_words,
    said,
    session,
    silence,
    spoken_in,
    stream_of,
)

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.events import ADDED, JOINED, Close, Source, TargetState
from alignatt4llm.schedule.feeder import Feeder, run
from alignatt4llm.schedule.timelines import SimulatedTimeline, Work
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.feed import Feed
from alignatt4llm.serve.journals.journal import events_of
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.past import Settled
from alignatt4llm.serve.pasts import Pasts
from alignatt4llm.serve.sessions import LiveSession
from alignatt4llm.serve.steps import Steps
from alignatt4llm.stream import Begins, Stream
from alignatt4llm.text.languages import LANGUAGES
from alignatt4llm.transcript import SourceSettings

SECONDS = 14


class Kept:
    """A live session that writes down what a stream on simulated time says."""

    def __init__(self, folder, targets, stream):
        journal = created(
            Path(folder) / "whole.jsonl", {**header("en-de", "medium"), "to": targets}
        )
        self.path, self.stream = Path(folder) / "whole.jsonl", stream
        self.broadcast, past = Broadcast(journal), Pasts(targets)
        self.live = LiveSession(
            ScriptedInterpreter(), self.broadcast, past, 0, Limits(), METRICS, Steps()
        )
        self.live._spoken.words = stream.words
        self.published = []
        publish, self.broadcast.publish = self.broadcast.publish, self._publish
        self._pass_on = publish

    def _publish(self, event, *then):
        self.published.append(event)
        self._pass_on(event, *then)

    def add(self, to, begins):
        self.live.targets.codes.append(to)
        from_start = begins is Begins.START
        self.live._tell(TargetState(ADDED, 0.0, from_start=from_start, to=to))
        self.stream.add(session(to, None), begins)

    def words(self):
        records = map(json.loads, self.path.read_text().splitlines())
        heard = [record["words"] for record in records if record["type"] == "heard"]
        return [word["text"] for words in heard for word in words]


def played(folder, takes, adds, drops=None, targets=("de",)):
    """Play a talk, and write down what is said; ``adds`` is when which target comes, from where."""
    timeline = SimulatedTimeline(silence(SECONDS), takes)
    stream = stream_of(targets, WORDS, lambda: timeline.now)
    kept, events = Kept(folder, targets, stream), []
    feeder = Feeder(stream, 1.0)
    feeder.begin(timeline)
    while not feeder.over:
        for event in feeder.take(timeline.next(feeder.hungry)):
            events.append(event)
            kept.live._publish(event)
        for to in [to for to, (at, _) in adds.items() if timeline.now >= at]:
            kept.add(to, adds.pop(to)[1])
        for to in [to for to, at in (drops or {}).items() if timeline.now >= at]:
            del drops[to]
            kept.live.targets._stream = stream
            kept.live.targets.drop(to, timeline.now)
        feeder.begin(timeline)
    kept.broadcast.journal.close()
    return kept, events


def resumed(path, lines):
    """Continue from the first lines of a journal; return what is said in all, from which word."""
    path.write_bytes(b"".join(lines))
    journal, past = taken(path)
    before = [*events_of(journal)]
    journal.close()
    at = past.settled / SAMPLE_RATE
    later = WORDS[len(past.words) :]
    ears = Counting([replace(w, start=w.start - at, end=w.end - at) for w in later])
    stream = Stream(ears, SPOKEN, SourceSettings(margin=0), lambda: 0.0)
    stream.restore(past.words, past.opened, past.settled, 0.0)
    for to, each in past.open.items():
        one = session(to, None)
        if each.begins is None:
            one.restore(each.past.standing, past.settled, each.past.delays)
        stream.add(one, each.begins)
        if each.dropped:
            stream.drop(to, each.until)
    rest = SECONDS - past.settled // (SAMPLE_RATE // 2) / 2
    events = [*before, *run(Feeder(stream, 1.0), SimulatedTimeline(silence(rest), {}))]
    return events, past


SPOKEN = stream_of([])._open.language
SLOW = st.sampled_from([0.3, 1.3, 2.2, 3.1, 4.5])
FROM = st.sampled_from(Begins)


def firsts(events):
    return {e.to: e.first for e in events if isinstance(e, TargetState) and e.state == JOINED}


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 12), SLOW, SLOW, FROM, st.none() | st.floats(0.5, 12))
def test_every_word_is_kept_once_whoever_is_behind(at, slow, late, begins, other):
    """However slow a target is that another does not wait for, or a third that joins too."""
    adds = {"it": (at, begins)} | ({} if other is None else {"zh": (other, Begins.NEXT)})
    takes = {(T, "de"): slow, (T, "it"): late}
    with tempfile.TemporaryDirectory() as folder:
        kept, _ = played(folder, takes, adds)
        assert kept.words() == TEXT.split()


@pytest.mark.parametrize("begins", Begins)
@pytest.mark.parametrize(
    ("at", "slow", "late"), [(1.5, 2.2, 0), (3.0, 4.5, 0), (2.0, 0.3, 3.1), (5.0, 3.1, 1.3)]
)
def test_a_session_is_resumed_after_every_line_in_every_language(tmp_path, begins, at, slow, late):
    takes = {(T, "de"): slow, (T, "it"): late}
    kept, events = played(tmp_path, takes, {"it": (at, begins)})
    assert "it" in firsts(events)
    lines = kept.path.read_bytes().splitlines(keepends=True)
    for count in range(1, len(lines)):
        events, _ = resumed(tmp_path / "cut.jsonl", lines[:count])
        assert in_words(said(events, "de")) == in_words(said(alone("de"), "de"))
        if (first := firsts(events).get("it")) is not None:
            whole = said(alone("it", tuple(WORDS[first:])), "it")
            assert in_words(said(events, "it")) == in_words(whole)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 12), SLOW, SLOW)
def test_who_follows_one_language_is_told_all_its_words(at, slow, late):
    """Though a target that joined tells of words beyond what it was told."""
    with tempfile.TemporaryDirectory() as folder:
        takes = {(T, "de"): slow, (T, "it"): late}
        _, events = played(folder, takes, {"it": (at, Begins.NEXT)})
    assert spoken_in(events, "de") == TEXT
    if first := firsts(events).get("it"):
        assert spoken_in(events, "it") == " ".join(TEXT.split()[first:])


@pytest.mark.parametrize(
    ("at", "slow", "others"),
    [(1.5, 4.5, 0), (4.0, 2.2, 0), (6.0, 9.0, 0.3), (9.5, 3.1, 1.3), (0.0, 1.0, 0), (12.0, 4.5, 0)],
)
def test_a_dropped_target_says_nothing_that_was_heard_after(tmp_path, at, slow, others):
    """However late it is, and wherever the session is resumed; and nothing less."""
    takes = {(T, "it"): slow, (T, "de"): others}
    kept, events = played(tmp_path, takes, {}, {"it": at}, ("de", "it"))
    lines = kept.path.read_bytes().splitlines(keepends=True)
    [drop] = [n for n, line in enumerate(lines, 1) if b'"dropped"' in line]
    text = in_words(said(events, "it"))
    assert len(text) < len(in_words(said(alone("it"), "it"))) or at > 11
    for count in range(drop, len(lines)):
        events, _ = resumed(tmp_path / "cut.jsonl", lines[:count])
        assert in_words(said(events, "it")) == text
        assert in_words(said(events, "de")) == in_words(said(alone("de"), "de"))


@pytest.mark.parametrize("begins", Begins)
@pytest.mark.parametrize(("at", "more"), [(1.5, 0.1), (4.0, 1.0), (3.0, 5.0), (7.0, 0.5)])
def test_nor_does_one_that_had_only_just_joined(tmp_path, begins, at, more):
    takes = {(T, "it"): 3.1, (T, "de"): 0.3}
    kept, events = played(tmp_path, takes, {"it": (at, begins)}, {"it": at + more})
    lines = kept.path.read_bytes().splitlines(keepends=True)
    text = in_words(said(events, "it"))
    joined = [n for n, line in enumerate(lines, 1) if b'"joined"' in line]
    [drop] = [n for n, line in enumerate(lines, 1) if b'"dropped"' in line]
    for count in range(max(drop, *joined, 0), len(lines)):
        events, _ = resumed(tmp_path / "cut.jsonl", lines[:count])
        assert in_words(said(events, "it")) == text


@pytest.mark.parametrize("at", [2.5, 5.0, 8.0, 11.5])
@pytest.mark.parametrize(("slow", "late"), [(0.3, 0.3), (0.3, 3.1), (2.2, 0), (4.5, 1.3)])
def test_what_was_heard_long_before_is_not_told_as_heard_now(tmp_path, at, slow, late):
    """A target that begins with the first word has all of it; listeners are told what is new."""
    takes = {(T, "de"): slow, (T, "it"): late, (Work.FINISH, "de"): 9.0}
    kept, events = played(tmp_path, takes, {"it": (at, Begins.START)})
    assert firsts(events) == {"it": 0}
    mine = next(e for e in events if isinstance(e, Source) and e.to == "it")
    assert mine.first == 0 and mine not in kept.published
    others = [e for e in events if isinstance(e, Source) and e is not mine]
    assert [e for e in kept.published if isinstance(e, Source)] == others
    assert len(others) > 5
    reached = [e.first + len(e.committed) for e in others]
    assert max(reached) == len(WORDS)


def test_nor_is_it_after_a_restart():
    past = Pasts(["de", "it"])
    past.add(Settled(tuple(WORDS[:20]), 7 * SAMPLE_RATE))
    assert past.behind == set()
    past.add(Close(0, "", "", 0.0, 5.0, 7.0, 15, "it"))
    assert (past.behind, past.opened) == ({"de"}, 5)
    past.add(TargetState(ADDED, 7.0, from_start=True, to="zh"))
    past.add(TargetState(JOINED, 7.0, 0, True, "zh"))
    past.add(Close(0, "", "", 0.0, 5.0, 7.0, 15, "de"))
    assert past.behind == {"zh"}


def originals(path, events, codes):
    """Yield, after every event, what listeners of each language have been shown of the source."""

    async def read():
        begun = {**header("en-de", "medium"), "to": codes[:3]}
        broadcast = Broadcast(created(path, begun))
        feed, shown = Feed(broadcast), []
        closed = dict.fromkeys(codes[:3], "")
        for event in events:
            broadcast.publish(event)
            if isinstance(event, TargetState) and event.state == JOINED:
                closed[event.to] = ""
            if isinstance(event, Close):
                closed[event.to] += f"{event.source} "
            for to in closed:
                data = feed.heard(0, LANGUAGES[to])[0].decode().partition("data: ")[2]
                words = json.loads(data)["committed"] if data else ""
                shown.append((to, closed[to], words))
        broadcast.journal.close()
        return shown

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("slow", "adds"),
    [
        ({}, {}),
        ({"de": 2.2}, {}),
        ({"de": 4.5, "zh": 0.7}, {}),
        ({"de": 2.2, "it": 1.3}, {"fr": (3.0, Begins.NEXT)}),
        ({"de": 3.1}, {"fr": (3.0, Begins.START)}),
        ({"fr": 3.1}, {"fr": (5.0, Begins.START)}),
        ({"fr": 3.1, "zh": 2.2}, {"fr": (5.0, Begins.NEXT)}),
    ],
)
def test_the_original_of_a_language_is_that_of_its_own_utterance(tmp_path, slow, adds):
    """Not that of whoever told it: nothing stands there twice, and nothing is left out."""
    takes = {(T, to): seconds for to, seconds in slow.items()}
    kept, events = played(tmp_path, takes, dict(adds), None, ("de", "it", "zh"))
    first = firsts(events)
    codes = ["de", "it", "zh", *adds]
    shown = originals(tmp_path / "again.jsonl", kept.published, codes)
    for to, closed, words in shown:
        mine = " ".join(TEXT.split()[first.get(to, 0) :])
        assert mine.startswith(f"{closed}{words}".rstrip())
    assert {to for to, _, words in shown if words} == set(codes)
