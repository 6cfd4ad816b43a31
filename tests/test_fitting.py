"""``auto``: which model and which engine a system becomes, and what is measured for it."""

import json
import sys
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from alignatt4llm.cli.main import main, parser
from alignatt4llm.cli.system import models
from alignatt4llm.errors import AlignattError
from alignatt4llm.files.writing import write_whole
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.machine.live import Speed
from alignatt4llm.settings import fitting, speeds
from alignatt4llm.settings.candidates import RANKED
from alignatt4llm.settings.fitting import fit, fitted
from alignatt4llm.settings.speeds import FILE, known_speed, measure
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators import table
from alignatt4llm.translators.table import engine_name
from alignatt4llm.weights.embedded import find_embedded

FAST, FAIR, SLOW = Speed(0.02, 0.005), Speed(0.2, 0.02), Speed(0.9, 0.1)
LLAMA, HUB = "llama.cpp", "transformers"


@dataclass(frozen=True)
class Fake:
    """A model that is, or is not, installed."""

    model: str
    megabytes: int = 100
    pairs: tuple = ("en-de",)
    ready: tuple = (LLAMA,)
    state: str = "ready"
    taught: str = ""
    known: SimpleNamespace = field(init=False)

    def __post_init__(self):
        known = SimpleNamespace(name=self.model, model=f"the {self.model} one", state=self.state)
        object.__setattr__(self, "known", known)

    @property
    def name(self):
        return self.known.model

    def engines(self, asked="auto"):
        return [name for name in self.ready if asked in ("auto", name)]

    def __str__(self):
        return self.model


def fits(monkeypatch, ranked, costs, system=System(), **wish):
    """Return what is chosen, and what was measured for it."""
    monkeypatch.setattr(fitting, "RANKED", ranked)
    asked = []

    def speed_of(known, engine, tell):
        asked.append((known.name, engine))
        found = costs.get((known.name, engine))
        if isinstance(found, Exception):
            raise found
        return found

    found = fit(system, speeds=speed_of, **wish)
    return (found.system.model, found.system.engine), asked, found.why


BOTH = (Fake("large", 400), Fake("small"))
EVERY = (Fake("large", 400, ready=(LLAMA, HUB)), Fake("small", ready=(LLAMA, HUB)))
MIXED = (Fake("large", 400), Fake("small", ready=(LLAMA, HUB)))
ROWS = [
    # installed, measured, what is asked for, chosen, how many measurements
    (BOTH, {("small", LLAMA): FAST, ("large", LLAMA): FAIR}, {}, ("large", LLAMA), 2),
    (BOTH, {("small", LLAMA): FAST, ("large", LLAMA): SLOW}, {}, ("small", LLAMA), 2),
    (BOTH, {("small", LLAMA): FAIR}, {}, ("small", LLAMA), 1),  # the large cannot be live
    (BOTH, {("small", LLAMA): SLOW}, {}, ("small", LLAMA), 1),
    (BOTH, {}, {"live": False}, ("large", LLAMA), 0),
    (BOTH[1:], {}, {}, ("small", LLAMA), 0),
    (BOTH[:1], {}, {}, ("large", LLAMA), 0),
    # nothing is ready: the smallest, in the engine for such a name
    ((), {}, {}, ("small", HUB), 0),
    ((Fake("large", ready=()), Fake("small", ready=())), {}, {}, ("small", HUB), 0),
    (EVERY[1:], {("small", LLAMA): FAIR, ("small", HUB): FAST}, {}, ("small", HUB), 2),
    (
        EVERY,
        {("small", LLAMA): FAIR, ("small", HUB): FAST, ("large", HUB): FAIR},
        {},
        ("large", HUB),
        3,
    ),
    (
        MIXED,
        {("small", LLAMA): FAIR, ("small", HUB): FAST, ("large", LLAMA): FAIR},
        {},
        ("large", LLAMA),
        3,
    ),
    (BOTH, {("small", LLAMA): FAST, ("large", LLAMA): AlignattError("no memory")}, {},
     ("small", LLAMA), 2),
    (BOTH, {("small", LLAMA): AlignattError("broken"), ("large", LLAMA): FAIR}, {},
     ("large", LLAMA), 2),
    (BOTH, {}, {}, ("small", LLAMA), 2),  # nothing is known
    (BOTH, {("small", LLAMA): FAST, ("large", LLAMA): Speed(0.6, 0.01)}, {"chunk": 1.4},
     ("large", LLAMA), 2),
]  # fmt: skip


@pytest.mark.parametrize(("ranked", "costs", "wish", "chosen", "count"), ROWS)
def test_the_best_model_that_is_live_is_chosen(monkeypatch, ranked, costs, wish, chosen, count):
    installed = tuple(each for each in ranked if each.state != "missing")
    absent = tuple(
        Fake(name, state="missing", ready=())
        for name in ("large", "small")
        if name not in {each.model for each in installed}
    )
    order = sorted((*installed, *absent), key=lambda each: each.model)
    found, asked, _ = fits(monkeypatch, tuple(order), costs, **wish)
    assert found == chosen
    assert len(asked) == count


def test_only_models_that_translate_the_direction_are_chosen_from(monkeypatch):
    german = Fake("large", 400)
    ranked = (german, Fake("small", pairs=("en-de", "en-it")))
    costs = {("small", LLAMA): FAST, ("large", LLAMA): FAST}
    assert fits(monkeypatch, ranked, costs, pairs=["en-de"])[0] == ("large", LLAMA)
    assert fits(monkeypatch, ranked, costs, pairs=["en-it"])[0] == ("small", LLAMA)
    assert fits(monkeypatch, ranked, costs)[0] == ("small", LLAMA)  # no direction is lost
    own = HeadSet("the large one", "en-cs", ((0, 0),))
    assert fits(monkeypatch, ranked, costs, System(heads=own))[0] == ("large", LLAMA)


def test_what_is_named_is_taken_and_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(fitting, "RANKED", BOTH)
    for system, engine in (
        (System("embedded"), LLAMA),
        (System("embedded", engine=HUB), HUB),
        (System("org/model"), HUB),
        (System("org/model", engine="vllm"), "vllm"),
        (System("talk.gguf"), LLAMA),
        (System("scripted"), "scripted"),
        (System("scripted", engine=HUB), "scripted"),
        (System(engine="scripted"), "scripted"),
        (System(engine="http://gpu:8000"), "http://gpu:8000"),
    ):
        assert fit(system, speeds=None) == fitting.Fit(replace(system, engine=engine))
    assert fits(monkeypatch, EVERY, {}, System(engine="vllm"))[1] == []
    costs = {("small", HUB): FAST, ("large", HUB): FAIR}
    chosen, asked, _ = fits(monkeypatch, EVERY, costs, System(engine=HUB))
    assert chosen == ("large", HUB) and {engine for _, engine in asked} == {HUB}


def test_a_line_says_what_was_chosen_and_why(monkeypatch):
    costs = {("small", LLAMA): FAIR}
    why = fits(monkeypatch, BOTH, costs, chunk=0.7)[2]
    assert why == "small in llama.cpp: 0.43 s of computing a second of speech."
    late = fits(monkeypatch, BOTH, {("small", LLAMA): SLOW}, chunk=0.7)[2]
    assert late.startswith("small in llama.cpp: 1 s of") and "lag" in late
    assert "the best model" in fits(monkeypatch, BOTH, {}, live=False)[2]
    assert "the only model" in fits(monkeypatch, BOTH[1:], {})[2]
    told = []
    monkeypatch.setattr(fitting, "RANKED", BOTH[1:])
    assert fitted(System(), tell=told.append).model == "small"
    assert len(told) == 1 and fitted(System("embedded"), tell=told.append) and len(told) == 1


def test_the_adapter_that_is_given_names_the_model(monkeypatch, tmp_path):
    (tmp_path / "alignatt.json").write_text(
        json.dumps(
            {"version": 1, "model": "embedded", "base": "gemma-3-270m", "prompt": "taught",
             "pairs": ["en-de"], "heads": [], "layout": None, "origin": {}}
        )
    )  # fmt: skip
    chosen, asked, _ = fits(monkeypatch, BOTH, {}, System(adapter=tmp_path))
    assert chosen[0] == "embedded" and not asked


@pytest.mark.parametrize("folder", ["de.en.json", "gemma"])
def test_engines_that_suit_a_model(tmp_path, folder):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "config.json").write_text("{}")
    file = tmp_path / "talk model.gguf"
    file.write_bytes(b"GGUF")
    rows = [
        ("embedded", LLAMA),
        ("embedded-large", LLAMA),
        ("gemma-3-270m", LLAMA),
        ("auto", LLAMA),
        (str(file), LLAMA),
        ("ollama:talk", LLAMA),
        ("gemma-4-e4b-gguf", LLAMA),
        (str(tmp_path / folder), HUB),
        ("org/model", HUB),
        ("org/model@main", HUB),
        ("qwen3-4b", HUB),
        ("scripted", "scripted"),
    ]
    assert [engine_name("auto", model) for model, _ in rows] == [engine for _, engine in rows]
    for name in (HUB, LLAMA, "vllm", "http://gpu:8000"):
        assert {engine_name(name, model) for model, _ in rows[:-1]} == {name}


@pytest.mark.models
@pytest.mark.parametrize(
    ("gone", "engine"),
    [
        ((), LLAMA),
        (("torch",), LLAMA),
        (("xllamacpp", "llama_cpp"), HUB),
        (("jinja2",), HUB),
        (("xllamacpp", "llama_cpp", "torch"), LLAMA),  # which is what the extra installs
    ],
)
def test_embedded_models_run_in_what_is_installed(monkeypatch, gone, engine):
    for package in gone:
        monkeypatch.setitem(sys.modules, package, None)
    assert engine_name("auto", "embedded") == engine
    assert engine_name("auto", "talk.gguf") == LLAMA


def test_adapters_are_applied_by_an_engine_that_can(monkeypatch):
    assert engine_name("auto", "embedded", taught=True) == LLAMA
    monkeypatch.setitem(table.ENGINES, LLAMA, replace(table.ENGINES[LLAMA], adapters=False))
    assert engine_name("auto", "embedded", taught=True) == HUB
    assert engine_name("auto", "embedded") == LLAMA


def test_figures_do_not_depend_on_the_machine():
    """What measures names its model and engine; what translates takes what fits."""
    run = ["evaluate", "run", "--data", "d", "--pair", "en-de", "--out", "o"]
    system = models(parser().parse_args(run))
    assert (system.model, system.engine) == ("embedded", HUB)
    args = parser().parse_args(["bench"])
    assert (args.preset, args.model, args.engine) == ("embedded", None, [HUB])
    for command in (["translate", "a", "--to", "de"], ["listen", "--to", "de"], ["serve"]):
        system = models(parser().parse_args(command))
        assert (system.model, system.engine) == ("auto", "auto")


@pytest.mark.models
def test_a_dry_run_measures_nothing_and_shows_what_was_measured(monkeypatch, capsys):
    monkeypatch.setattr(speeds, "measure", None)
    monkeypatch.setattr("alignatt4llm.settings.fitting.known_speed", lambda model, engine: FAIR)
    assert main(["translate", "--to", "de", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "0.43 s of computing a second of speech" in shown
    assert "embedded: Gemma 3 270M" in shown
    monkeypatch.setattr("alignatt4llm.settings.fitting.known_speed", lambda model, engine: None)
    assert main(["translate", "--to", "de", "--dry-run"]) == 0
    assert "until it is measured" in capsys.readouterr().out


def test_a_head_set_is_that_of_the_best_model_that_has_one():
    pairs = {pair: each.known.model for each in reversed(RANKED) for pair in each.pairs}
    assert {"en-de", "en-it", "en-zh"} <= set(pairs)
    for pair, model in pairs.items():
        assert System().head_set(Pair.parse(pair)).model == model


SMALL = find_embedded("embedded", "llm")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with the small model's file, and nothing that was measured."""
    folder = RANKED[-1].known.join()
    (tmp_path / folder.name).symlink_to(folder)
    monkeypatch.setenv("ALIGNATT_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.models
def test_a_model_is_measured_once_and_what_was_measured_is_kept(cache, monkeypatch):
    told = []
    found = measure(SMALL, LLAMA, told.append)
    assert 0 < found.step < found.read
    assert any("Gemma 3 270M" in message for message in told)
    assert known_speed(SMALL, LLAMA) == found
    assert known_speed(SMALL, HUB) is None
    assert known_speed(find_embedded("embedded-large", "llm"), LLAMA) is None
    monkeypatch.setenv("ALIGNATT_THREADS", "31")
    assert known_speed(SMALL, LLAMA) is None


@pytest.mark.models
@pytest.mark.parametrize("changed", ["machine", "installed"])
def test_another_computer_or_another_build_is_measured_anew(cache, monkeypatch, changed):
    write_whole(cache / FILE, json.dumps({speeds._key(SMALL, LLAMA): {"read": 0.1, "step": 0.01}}))
    assert known_speed(SMALL, LLAMA) == Speed(0.1, 0.01)
    monkeypatch.setattr(speeds, changed, lambda *_: "another")
    assert known_speed(SMALL, LLAMA) is None


@pytest.mark.models
@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", "{\"KEY\": 1}", "{\"KEY\": {}}", "{\"KEY\": {\"read\": \"fast\", \"step\": 1}}",
     "{\"KEY\": null}", "{\"KEY\": {\"read\": null, \"step\": 1}}", "\0"],
)  # fmt: skip
def test_a_file_that_holds_no_speeds_is_as_good_as_none(cache, content):
    key = json.dumps(speeds._key(SMALL, LLAMA))[1:-1]
    (cache / FILE).write_text(content.replace("KEY", key))
    assert known_speed(SMALL, LLAMA) is None


@pytest.mark.models
def test_what_cannot_be_kept_is_used_all_the_same(cache):
    (cache / FILE).mkdir()
    assert measure(SMALL, LLAMA).read > 0


@pytest.mark.models
@pytest.mark.parametrize(
    ("system", "model", "engine"),
    [
        (System("scripted", "scripted"), "scripted", "scripted"),
        (System("embedded"), "embedded", LLAMA),
        (System(), "embedded", LLAMA),
    ],
)
def test_an_interpreter_says_which_model_and_engine_it_has(system, model, engine):
    found = Interpreter(system)
    assert (found.system.model, found.system.engine) == (model, engine)
    assert found.system == replace(system, model=model, engine=engine)
    assert bool(found.threads) == (engine == LLAMA)


TARGETS = [
    # measured, targets, chosen, what is told
    ({("small", LLAMA): FAST, ("large", LLAMA): FAIR}, 1, "large", "large in llama.cpp: 0.43"),
    ({("small", LLAMA): FAST, ("large", LLAMA): FAIR}, 3, "small", "for 3 languages at once up to"),
    ({("small", LLAMA): Speed(0.05, 0.004), ("large", LLAMA): SLOW}, 2, "small", "up to 0.2 s"),
    ({("small", LLAMA): FAST, ("large", LLAMA): FAIR}, 40, "small", "so it will lag"),
    ({("small", LLAMA): FAIR, ("large", LLAMA): SLOW}, 8, "small", "so it will lag"),
]


@pytest.mark.parametrize(("costs", "targets", "chosen", "told"), TARGETS)
def test_several_languages_are_weighed_together(monkeypatch, costs, targets, chosen, told):
    (model, _), _, why = fits(monkeypatch, BOTH, costs, targets=targets)
    assert model == chosen and told in why
    assert ("languages at once" in why) == (targets > 1)


CROWDS = [
    (System("small", engine=LLAMA), FAST, 2, False),
    (System("small", engine=LLAMA), FAIR, 2, False),
    (System("small", engine=LLAMA), FAIR, 3, True),
    (System("small", engine=LLAMA), SLOW, 3, True),
    (System("small", engine="vllm"), SLOW, 3, False),  # it is not measured
    (System("another", engine=LLAMA), SLOW, 3, False),
    (System("small", engine=LLAMA), AlignattError("broken"), 3, False),  # loading it tells
]


@pytest.mark.parametrize(("system", "cost", "targets", "crowded"), CROWDS)
def test_more_languages_than_are_live_are_told_of_a_given_model(
    monkeypatch, system, cost, targets, crowded
):
    monkeypatch.setattr(fitting, "RANKED", BOTH)

    def speed_of(known, engine, tell):
        if isinstance(cost, Exception):
            raise cost
        return cost

    told = fitting.crowded(system, targets, 0.7, speed_of)
    assert bool(told) == crowded
    if crowded:
        load = f"{cost.times(targets).settled(0.7):.2g} s of computing a second of speech"
        assert f"{targets} languages at once take up to {load}" in told


def test_what_is_told_of_several_languages_is_told_live_only(monkeypatch):
    monkeypatch.setattr(fitting, "RANKED", BOTH)
    monkeypatch.setattr(fitting, "speed", lambda *_: SLOW)
    for live, targets, count in ((True, 3, 1), (True, 1, 0), (False, 3, 0)):
        told = []
        given = System("small", engine=LLAMA)
        found = fitted(given, targets=targets, live=live, tell=told.append)
        assert found.model == "small" and len(told) == count
