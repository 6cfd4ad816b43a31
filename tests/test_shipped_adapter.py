"""The adapter that comes with the package: found by name, taken by ``auto`` where it is better."""

import pytest

from alignatt4llm.cli.main import main
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.machine.live import Speed
from alignatt4llm.settings.candidates import RANKED
from alignatt4llm.settings.fitting import candidates, fit
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.weights.adapters import SHIPPED, find_adapter, shipped_adapter

NAME = "embedded-taught"
TAUGHT = next(each for each in RANKED if each.taught)
PLAIN = RANKED[-1]


def test_it_is_found_by_its_name_with_heads_of_its_own():
    found = find_adapter(NAME)
    assert found and (found.model, found.prompt) == ("embedded", "taught")
    for pair in found.pairs:
        own = found.head_set(Pair.parse(pair))
        assert own and own.model == found.name == TAUGHT.name and own.pair == pair
        assert own.origin["kind"] == "calibrated"
    assert set(TAUGHT.better) <= set(found.pairs)
    assert shipped_adapter("embedded") is None and set(SHIPPED) == {NAME}


def test_its_terms_and_its_data_are_named():
    text = (shipped_adapter(NAME) / "README.md").read_text("utf-8")
    for named in ("Gemma Terms of Use", "CC BY-SA 4.0", "CC BY 2.0 FR", NAME):
        assert named in text


@pytest.mark.models
@pytest.mark.parametrize(
    ("pairs", "chosen"),
    [
        (["en-it"], "embedded-taught"),
        (["en-de"], "embedded-taught"),
        (["en-de", "en-it"], "embedded-taught"),
        (["en-zh"], "embedded"),
        (["en-it", "en-zh"], "embedded"),
        (["en-fr"], "embedded"),
        (["de-en"], "embedded"),
        (["it-en", "en-it"], "embedded"),
        ([], "embedded"),
    ],
)
def test_auto_takes_it_where_it_is_better(monkeypatch, pairs, chosen):
    """On a computer that runs the small model live, and not the large one."""
    monkeypatch.setattr("alignatt4llm.settings.fitting.RANKED", RANKED[1:])
    for how in ({}, {"live": False}):
        found = fit(System(), pairs=pairs, speeds=lambda *_: Speed(0.1, 0.01), **how)
        assert found.system.model == chosen
        assert ("taught" in found.why) == (chosen == NAME)


@pytest.mark.models
def test_a_given_head_set_decides_which_of_them_it_is_for():
    for each in (TAUGHT, PLAIN):
        given = System(heads=HeadSet(each.name, "en-cs", ((0, 0),)))
        assert [found.model for found in candidates(given)] == [each.model]


@pytest.mark.models
@pytest.mark.parametrize("engine", ["llama.cpp", "transformers"])
def test_it_translates_in_both_engines(engine):
    interpreter = Interpreter(System(NAME, engine=engine))
    pair = Pair.parse("en-it")
    drafter = interpreter.translator.open(pair, interpreter.heads(pair))
    prompt = interpreter.prompt_form(pair)(["The", "book", "is", "on", "the", "table", "."])
    drafted = drafter.draft(prompt, 20)
    assert "libro" in drafted.text and "tavol" in drafted.text
    drafter.close()


@pytest.mark.models
def test_lists_show_it(capsys):
    assert main(["models", "list"]) == 0
    assert f"--model {NAME}: Gemma 3 270M" in capsys.readouterr().out
    assert main(["languages", "--from", "en", "--json"]) == 0
    shown = capsys.readouterr().out
    assert shown.count(f'"{NAME}"') == len(TAUGHT.better)
    assert main(["languages", "--from", "en", "--to", "zh", "--model", NAME]) == 0
    assert "own" in capsys.readouterr().out
