"""Runs: what a listener waits for, what is written, and how a killed run goes on."""

import json
import re
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from evaluating import hypothesis, made_run, recording
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.evaluate import runs
from alignatt4llm.evaluate.hypothesis import append_hypothesis, read_hypotheses
from alignatt4llm.evaluate.runs import Plan, is_finished, is_run_of, read_run, run
from alignatt4llm.evaluate.systems import Live, Offline, StreamClock
from alignatt4llm.events import Commit
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.prompts.forms import FewShotPrompt
from alignatt4llm.recognizers.timed import TimedTextRecognizer
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.scripted import ScriptedDrafter

EN_DE = Pair.parse("en-de")
TALK = recording("talk", (0.0, 4.0, "one two three four", "EINS ZWEI DREI VIER"))
TALKS = [recording(f"talk{n}", (0.0, 2.0, f"number {n}", f"NUMMER {n}")) for n in range(3)]


class Clock:
    """A machine's clock that moves only when something is computed."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


class Slow:
    """A drafter whose drafts take some seconds each."""

    def __init__(self, clock, cost):
        self.drafter, self.clock, self.cost = ScriptedDrafter(), clock, cost

    def draft(self, prompt, budget, judge=None, guess=()):
        self.clock.time += self.cost
        return self.drafter.draft(prompt, budget, judge, guess)

    def close(self):
        pass


def live(cost):
    """Translate timed text in chunks of a second; each draft costs ``cost`` seconds."""
    clock = Clock()

    def session(recording, now):
        interpreter = ScriptedInterpreter()
        interpreter.translator.open = lambda *_: Slow(clock, cost)
        return interpreter.open(
            EN_DE,
            LATENCIES["medium"],
            heads=HeadSet("scripted", "en-de", ((0, 0),)),
            prompt="auto",
            policy=None,
            recognizer=TimedTextRecognizer(recording.words(EN_DE.source), 0.0),
            now=now,
        )

    return Live(session, 1.0, EN_DE, clock)


def test_a_step_waits_for_its_audio_and_for_the_step_before():
    machine = Clock()
    clock = StreamClock(machine)
    times = []
    for audio_s, cost in [(1.0, 1.5), (2.0, 1.5), (3.0, 0.25), (5.0, 0.5)]:
        clock.begin(audio_s)
        machine.time += cost
        times.append(clock.end())
    # 1 + 1.5; then 2.5 > 2, so 2.5 + 1.5; then 4 > 3, so 4 + 0.25; then the audio ends last
    assert times == [2.5, 4.0, 4.25, 5.5]
    assert clock.processing == 3.75


@given(st.lists(st.tuples(st.floats(0.1, 3), st.floats(0, 5)), min_size=1, max_size=20))
def test_time_never_runs_backwards_nor_ahead_of_the_audio(steps):
    machine, audio_s, before = Clock(), 0.0, 0.0
    clock = StreamClock(machine)
    for chunk, cost in steps:
        audio_s += chunk
        clock.begin(audio_s)
        machine.time += cost
        after = clock.end()
        assert after >= max(audio_s, before) + cost - 1e-9
        before = after


def test_when_computing_is_free_both_delays_are_the_audio():
    said = live(cost=0.0)(TALK, lambda event: None)
    # The words end near 0.8, 1.6, 2.93 and 4 s; each may be said once another is visible.
    assert said.prediction == "ONE TWO THREE FOUR"
    assert said.delays == pytest.approx((2000.0, 3000.0, 4000.0, 4000.0), abs=0.1)
    assert said.elapsed == pytest.approx(said.delays)
    assert (said.processing, said.source_length) == (0, 4000)
    assert said.transcript == "one two three four"


def test_a_step_begins_when_its_own_audio_is_there_however_the_audio_comes():
    said = replace(live(0.0), chunk=0.7)(TALK, lambda event: None)
    assert said.elapsed == pytest.approx(said.delays, abs=1e-3)


def test_a_backlog_is_part_of_ca_latency():
    events = []
    said = live(cost=1.5)(TALK, events.append)
    # The steps at 2, 3 and 4 s draft once each: 2 + 1.5 = 3.5, then 3.5 + 1.5 = 5, then 6.5; what
    # is said at the end waits for another draft at least.
    assert said.delays == pytest.approx((2000.0, 3000.0, 4000.0, 4000.0), abs=0.1)
    assert said.elapsed[:3] == pytest.approx((3500.0, 5000.0, 6500.0))
    assert said.elapsed[3] >= 8000.0
    assert all(np.diff(np.subtract(said.elapsed, said.delays)) > 0)
    assert said.processing == pytest.approx(said.elapsed[3] - 2000.0)
    commits = [event for event in events if isinstance(event, Commit)]
    assert [1000 * event.wall_s for event in commits] == pytest.approx(list(said.elapsed))


def test_offline_translates_segments_when_they_have_ended():
    clock = Clock()
    two = recording(
        "two", (0.0, 2.0, "one two", "EINS"), (2.0, 1.0, "", ""), (3.0, 2.0, "three", "DREI")
    )
    system = Offline(lambda: Slow(clock, 0.5), FewShotPrompt(EN_DE), EN_DE, clock)
    said = system(two, lambda event: None)
    assert said.prediction == "ONE TWO THREE"
    assert said.segments == ("ONE TWO", "", "THREE")
    assert said.delays == (2000.0, 2000.0, 5000.0)
    assert said.elapsed == (2500.0, 2500.0, 5500.0)


def plan(folder, recordings=tuple(TALKS), make_live=live, **manifest):
    return Plan(folder, {"pair": "en-de", **manifest}, recordings, lambda: make_live(cost=0.1))


def files(folder):
    """Every file of a run, without the account of what this machine needed."""
    return {
        str(path.relative_to(folder)): re.sub(r'{"type": "end".*', "", path.read_text("utf-8"))
        for path in folder.rglob("*.json*")
    }


def test_a_run_writes_its_files_and_is_read_back(tmp_path):
    told = []
    run([plan(tmp_path / "run")], 1, told.append)
    assert len(told) == 3 and "[3/3] run talk2: 2 units" in told[-1]
    found = read_run(tmp_path / "run")
    assert found.recordings == tuple(TALKS)
    assert [said.prediction for said in found.hypotheses] == ["NUMBER 0", "NUMBER 1", "NUMBER 2"]
    assert found.pair == EN_DE
    events = (tmp_path / "run" / "events" / "talk0.jsonl").read_text("utf-8").splitlines()
    kinds = {json.loads(line)["type"] for line in events}
    assert kinds == {"source", "commit", "preview", "trace", "close", "end"}


def test_jobs_change_nothing_but_the_order(tmp_path):
    run([plan(tmp_path / "one")], 1, lambda message: None)
    run([plan(tmp_path / "three")], 3, lambda message: None)
    assert read_run(tmp_path / "one").hypotheses == read_run(tmp_path / "three").hypotheses


class Killed(BaseException):
    """What no handler catches."""


def killed_at(recording_number, step):
    """Make systems that are killed in the middle of a recording."""
    opened = count()

    def make(cost):
        if next(opened) < recording_number:
            return live(cost)

        def translate(recording, record):
            steps = count()

            def until_killed(event):
                if next(steps) == step:
                    raise Killed
                record(event)

            return live(cost)(recording, until_killed)

        return translate

    return make


@pytest.mark.parametrize(("number", "step"), [(0, 0), (1, 3), (2, 5)])
@pytest.mark.parametrize("broken", [b"", b'{"source": "talk2", "predic'])
def test_a_killed_run_goes_on_to_the_same_files(tmp_path, number, step, broken):
    run([plan(tmp_path / "whole")], 1, lambda message: None)
    with pytest.raises(Killed):
        run([plan(tmp_path / "killed", make_live=killed_at(number, step))], 1, lambda message: None)
    with (tmp_path / "killed" / "hypothesis.jsonl").open("ab") as file:
        file.write(broken)
    with pytest.raises(AlignattError, match=r"is not finished, it lacks .*talk2; give the same"):
        read_run(tmp_path / "killed")
    told = []
    run([plan(tmp_path / "killed")], 1, told.append)
    assert len(told) == 3 - number
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_a_finished_run_is_not_run_again(tmp_path):
    run([plan(tmp_path)], 1, lambda message: None)

    def never(cost):
        raise AssertionError("nothing is missing")

    run([plan(tmp_path, make_live=never)], 1, lambda message: None)


def test_a_folder_of_another_run_is_refused(tmp_path):
    run([plan(tmp_path, policy="alignatt", chunk=1.0)], 1, lambda message: None)
    with pytest.raises(UsageError, match=r"another run \(different: chunk, limit, policy\)"):
        run([plan(tmp_path, policy="wait-k:3", chunk=2.0, limit=1)], 1, lambda message: None)
    with pytest.raises(UsageError, match="different: recordings"):
        fewer = plan(tmp_path, recordings=TALKS[:1], policy="alignatt", chunk=1.0)
        run([fewer], 1, lambda message: None)


SETTINGS = {"chunk": 1.0, "session": {"unread": 3, "source": {"margin": 1}}}
SOURCE_NOW = {"margin": 1, "stops": True, "gap": None}
SETTINGS_NOW = {"chunk": 1.0, "session": {"unread": 3, "source": SOURCE_NOW}}


def test_a_run_from_before_policies_had_closings_goes_on(tmp_path):
    run([plan(tmp_path, settings=SETTINGS)], 1, lambda message: None)
    run([plan(tmp_path, settings=SETTINGS_NOW, closings="own")], 1, lambda message: None)
    with pytest.raises(UsageError, match="different: closings"):
        run([plan(tmp_path, settings=SETTINGS_NOW, closings="heads")], 1, lambda message: None)


@pytest.mark.parametrize(
    ("closings", "changes", "recordings", "same"),
    [
        ("own", {}, 3, True),
        ("heads", {}, 3, False),
        ("own", {"stops": False}, 3, False),
        ("own", {"gap": 0.5}, 3, False),
        ("own", {"margin": 2}, 3, False),
        ("own", {}, 2, False),
    ],
)
def test_whether_a_folder_holds_a_run_of_just_this(tmp_path, closings, changes, recordings, same):
    run([plan(tmp_path, settings=SETTINGS, threads=4)], 1, lambda message: None)
    source = SOURCE_NOW | changes
    settings = {"chunk": 1.0, "session": {"unread": 3, "source": source}}
    manifest = {"pair": "en-de", "settings": settings, "closings": closings}
    assert is_run_of(tmp_path, manifest, TALKS[:recordings]) is same
    assert not is_run_of(tmp_path / "elsewhere", manifest, TALKS)


def test_a_run_is_finished_when_no_recording_is_missing(tmp_path):
    assert not is_finished(tmp_path)
    run([plan(tmp_path)], 1, lambda message: None)
    assert is_finished(tmp_path)
    file = tmp_path / "hypothesis.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:2]))
    assert not is_finished(tmp_path)


def test_a_manifest_names_the_commits_that_computed_something(tmp_path, monkeypatch):
    def commits():
        return json.loads((tmp_path / "manifest.json").read_text()).get("commits")

    for commit, expected in [("a", ["a"]), ("b", ["a"])]:
        monkeypatch.setattr(runs, "commit", lambda commit=commit: commit)
        run([plan(tmp_path)], 1, lambda message: None)
        assert commits() == expected
    file = tmp_path / "hypothesis.jsonl"
    file.write_text(file.read_text().splitlines(keepends=True)[0])
    run([plan(tmp_path)], 1, lambda message: None)
    assert commits() == ["a", "b"]


def test_an_error_in_one_recording_ends_the_run_and_keeps_the_others(tmp_path):
    def failing(cost):
        def translate(recording, record):
            if recording.name == "talk1":
                raise AlignattError("No.")
            return live(cost)(recording, record)

        return translate

    with pytest.raises(AlignattError, match=r"No\."):
        run([plan(tmp_path, make_live=failing)], 1, lambda message: None)
    assert read_hypotheses(tmp_path / "hypothesis.jsonl")[0].source == "talk0"


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(AlignattError, match=r"is not the folder of a run: manifest.json cannot"):
        read_run(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(AlignattError, match="is not JSON"):
        read_run(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        run([plan(tmp_path / "file" / "run")], 1, lambda message: None)


def test_hypotheses_with_a_wrong_line_name_it(tmp_path):
    path = tmp_path / "hypothesis.jsonl"
    append_hypothesis(path, hypothesis("talk", "EINS", [1000.0]))
    with path.open("a") as file:
        file.write('{"source": "talk"}\n')
    with pytest.raises(AlignattError, match=r"line 2: not a hypothesis of a run"):
        read_hypotheses(path)


def test_made_up_runs_are_runs(tmp_path):
    found = made_run(tmp_path, [TALK], [hypothesis("talk", "EINS", [1000.0])])
    assert found.hypotheses[0].prediction == "EINS"
