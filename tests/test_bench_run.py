"""Systems are measured in turns, in processes of their own, and shown side by side."""

import os
import signal
from dataclasses import dataclass

import pytest

from alignatt4llm.bench import run as running
from alignatt4llm.bench.figures import against
from alignatt4llm.bench.plan import Item, Plan, Stage
from alignatt4llm.bench.run import Found, Progress, ratios, run
from alignatt4llm.bench.tables import tables
from alignatt4llm.bench.trial import Tried
from alignatt4llm.bench.worker import Worker
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair

PAIR = Pair.parse("en-de")


def tried(model="m", engine="transformers"):
    return Tried(System(model, engine=engine), PAIR, "low", 1.0)


class Played:
    """A system that writes down what is asked of it, and has turns enough for the named items."""

    def __init__(self, log, each, turns=None, left_out=None):
        self.log, self.name, self.turns = log, each.system.model, turns or {}
        self.facts, self.left_out = {"streams": each.streams}, left_out or {}
        self.log.append(f"{self.name} loads {each.streams}")

    def begin(self, name):
        self.now, self.done = name, 0
        self.log.append(f"{self.name} {name}")

    def turn(self):
        self.done += 1
        self.log.append(f"{self.name} turn")
        return self.done < self.turns.get(self.now, 99)

    def end(self):
        self.log.append(f"{self.name} ends")
        return {self.now: float(self.done)}

    def close(self):
        self.log.append(f"{self.name} closes")


def played(log, **options):
    return lambda each, tell: Played(log, each, **options.get(each.system.model, {}))


def test_turns_of_systems_alternate():
    log = []
    plan = Plan((Stage((Item("x", "X", ("x",), 1, turns=2),)),))
    found = run([tried("a"), tried("b")], plan, print, played(log))
    expected = ["a loads 1", "b loads 1", "a x", "b x", "a turn", "b turn", "a turn", "b turn"]
    assert log == [*expected, "a ends", "b ends", "b closes", "a closes"]
    assert [each.figures for each in found] == [{"x": 2.0}, {"x": 2.0}]


def test_every_stage_loads_anew():
    log = []
    items = [Item(name, name, (name,), 1) for name in "xy"]
    plan = Plan((Stage((items[0],)), Stage((items[1],), 8)))
    [found] = run([tried("a")], plan, print, played(log))
    assert [line for line in log if "loads" in line or "closes" in line] == [
        "a loads 1", "a closes", "a loads 8", "a closes"
    ]  # fmt: skip
    assert found.figures == {"x": 1.0, "y": 1.0}


def test_systems_do_as_many_turns_as_the_one_with_the_fewest():
    log = []
    plan = Plan((Stage((Item("x", "X", ("x",), 1, turns=9),)),))
    found = run([tried("a"), tried("b")], plan, print, played(log, b={"turns": {"x": 3}}))
    assert [each.figures["x"] for each in found] == [3.0, 3.0]


def test_time_ends_an_item(monkeypatch):
    ticks = iter(range(0, 1000, 4))
    monkeypatch.setattr(running.time, "monotonic", lambda: float(next(ticks)))
    plan = Plan((Stage((Item("x", "X", ("x",), 1, turns=50, seconds=20.0),)),))
    found = run([tried("a"), tried("b")], plan, lambda _: None, played([]))
    assert found[0].figures["x"] == found[1].figures["x"] < 50


def test_what_an_engine_cannot_show_is_left_out_of_it_alone():
    log = []
    plan = Plan((Stage((Item("x", "X", ("x", "z"), 1), Item("y", "Y", ("y",), 1))),))
    both = {"left_out": {"x": "no", "z": "no"}}
    half = {"left_out": {"x": "no"}}
    systems = [tried(name) for name in "abc"]
    found = run(systems, plan, print, played(log, a=both, b=half))
    assert [sorted(each.figures) for each in found] == [["y"], ["x", "y"], ["x", "y"]]
    assert [sorted(each.left_out) for each in found] == [["x", "z"], ["x"], []]


@pytest.mark.parametrize("problem", [AlignattError("There is no 'b'."), KeyboardInterrupt()])
def test_systems_are_freed_when_one_fails(problem):
    log = []

    def start(each, tell):
        if each.system.model == "b":
            raise problem
        return Played(log, each)

    with pytest.raises(type(problem)):
        run([tried("a"), tried("b")], Plan((Stage(()),)), print, start)
    assert log == ["a loads 1", "a closes"]


def test_progress_says_what_n_of_m_and_how_long():
    said, now = [], [0.0]
    one, two = Item("x", "X", (), 10, turns=10), Item("y", "Y", (), 200)
    progress = Progress(Plan((Stage((one, two)),)), said.append, lambda: now[0])
    progress.begin("loading", 300)
    now[0] = 30.0
    progress.begin("X", 100)
    progress.at(0.1)
    now[0] = 50.0
    progress.at(0.5)
    now[0] = 60.0
    progress.at(0.9)
    progress.begin("Y", 200)
    assert said == [
        "1 of 3, loading",
        "2 of 3, X; about 30 s left",
        "2 of 3, X, 50%; about 36 s left",
        "3 of 3, Y; about 30 s left",
    ]


@pytest.mark.parametrize(
    "seconds, text", [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min")]
)
def test_times_are_rough(seconds, text):
    assert running._about(seconds) == f"about {text}"


def test_times_and_memory_are_compared_and_nothing_else():
    one = {"step_ms": 50.0, "capture_overhead": 1.1, "peak_memory_mb": 3000.0, "chunk_ms": 4.0}
    other = {"step_ms": 10.0, "capture_overhead": 2.2, "peak_memory_mb": 600.0, "prefill_ms": 1.0}
    assert against(other, one) == {"step_ms": 0.2, "peak_memory_mb": 0.2}


def test_engines_are_compared_with_the_first_that_has_the_model():
    found = [
        Found("one", "small", {"step_ms": 10.0}),
        Found("two", "small", {"step_ms": 5.0}),
        Found("one", "large", {"step_ms": 100.0}),
        Found("two", "large", {"step_ms": 300.0}),
        Found("two", "other", {"step_ms": 7.0}),
    ]
    assert ratios(found) == {
        "small": {"two": {"step_ms": 0.5}},
        "large": {"two": {"step_ms": 3.0}},
    }


FACTS = {
    "threads": 2,
    "hardware": "x86_64",
    "weights": "float32",
    "versions": {"torch": "2.1", "other": "3"},
}


def test_tables_stand_side_by_side():
    found = [
        Found("transformers", "embedded", {"step_ms": 50.25, "row_error": 0.0123}),
        Found(
            "llama.cpp",
            "embedded",
            {"step_ms": 12.5625},
            {"row_error": "one way", "same_text": "no"},
        ),
        Found("transformers", "large", {"chunk_ms": 1234.5}, facts=FACTS),
    ]
    text = tables(found)
    assert [" ".join(line.split()) for line in text.splitlines() if line] == [
        "embedded transformers llama.cpp llama.cpp /",
        "transformers",
        "a decode step, ms 50.2 12.6 0.25",
        "largest difference between a row and the library's own 0.0123 - -",
        "large transformers",
        "a chunk of the talk, ms 1234",
        "transformers, large: threads 2, hardware x86_64, weights float32, torch 2.1, other 3.",
        "left out (one way): largest difference between a row and the library's own.",
        "left out (no): share of streams that say in the crowd what they say alone.",
    ]
    assert max(map(len, text.splitlines()[:5])) <= 64 + 3 * 16


@dataclass(frozen=True, slots=True)
class Odd:
    """Makes a trial that does what its name says."""

    kind: str

    def __call__(self, each, tell):
        tell(f"{self.kind} comes")
        if self.kind == "refuses":
            raise UsageError("There is no such model.")
        if self.kind == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        return OddTrial(self.kind)


class Unsendable(Exception):
    def __init__(self, one, two):
        super().__init__("what went wrong")


class OddTrial:
    def __init__(self, kind):
        self.kind, self.facts, self.left_out = kind, {"pid": os.getpid()}, {"x": "no"}

    def begin(self, name):
        self.name = name
        if self.kind == "fails":
            raise AlignattError(f"{name} has failed.")
        if self.kind == "breaks":
            raise Unsendable(1, 2)
        if self.kind == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "is interrupted":
            os.kill(os.getpid(), signal.SIGINT)

    def turn(self):
        return False

    def end(self):
        return {self.name: 1.5}


@pytest.mark.parametrize("kind", ["works", "is interrupted"])
def test_a_system_is_measured_in_a_process_of_its_own(kind):
    told = []
    worker = Worker(tried(), told.append, Odd(kind))
    try:
        assert worker.facts["pid"] != os.getpid()
        assert worker.left_out == {"x": "no"}
        worker.begin("steps")
        assert worker.turn() is False
        assert worker.end() == {"steps": 1.5}
        assert told == [f"{kind} comes"]
    finally:
        worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker.facts["pid"], 0)


@pytest.mark.parametrize(
    "kind, problem, text",
    [
        ("fails", AlignattError, "steps has failed"),
        ("breaks", RuntimeError, "Unsendable: what went wrong"),
        ("is killed", AlignattError, "'transformers m' has ended.*fewer engines and models"),
    ],
)
def test_what_goes_wrong_in_a_process_is_told(kind, problem, text):
    worker = Worker(tried(), print, Odd(kind))
    try:
        with pytest.raises(problem, match=text):
            worker.begin("steps")
        with pytest.raises(AlignattError, match="has ended"):
            worker.turn()
    finally:
        worker.close()


@pytest.mark.parametrize(
    "kind, problem, text",
    [("refuses", UsageError, "no such model"), ("dies", AlignattError, "has ended")],
)
def test_a_system_that_does_not_load_is_told(kind, problem, text):
    with pytest.raises(problem, match=text):
        Worker(tried(), print, Odd(kind))
