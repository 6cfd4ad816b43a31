"""The scripted parts take the time that they are told, as models would."""

import pytest

from alignatt4llm.prompts.prompt import Prompt
from alignatt4llm.recognizers import tones
from alignatt4llm.text.languages import LANGUAGES, Pair
from alignatt4llm.translators import scripted
from alignatt4llm.translators.base import Asked

PAIR = Pair.parse("en-de")


@pytest.fixture
def slept(monkeypatch):
    """What was slept, with no time spent."""
    seconds = []
    monkeypatch.setattr(scripted.time, "sleep", seconds.append)
    return seconds


def drafter(monkeypatch, cost=None):
    if cost is not None:
        monkeypatch.setenv(scripted.COST, cost)
    loaded = scripted.load(Asked("scripted"))
    return loaded.translator.open(PAIR, loaded.heads)


@pytest.mark.parametrize("cost", [None, "0"])
def test_without_a_cost_nothing_waits(monkeypatch, slept, cost):
    drafter(monkeypatch, cost).draft(Prompt("", ("a", "b"), ""), 9)
    assert slept == []


@pytest.mark.parametrize(
    ("words", "accepted", "budget", "passes"),
    [
        ("a", "", 9, 1),
        ("a b c", "", 9, 3),
        ("a b c", "", 2, 2),
        ("a b", " A", 9, 1),
        ("a", " A", 9, 1),
    ],
)
def test_a_draft_takes_a_pass_a_token_and_one_at_least(
    monkeypatch, slept, words, accepted, budget, passes
):
    prompt = Prompt("", tuple(words.split()), "", accepted)
    plain = scripted.ScriptedDrafter().draft(prompt, budget)
    costly = drafter(monkeypatch, "0.05").draft(prompt, budget)
    assert slept == [0.05] * passes
    assert (costly.text, costly.ids, costly.ended) == (plain.text, plain.ids, plain.ended)


def test_each_token_of_a_pass_may_take_some_more(monkeypatch, slept):
    drafter(monkeypatch, "0.05+0.01").draft(Prompt("", ("a", "b"), ""), 9)
    assert slept == pytest.approx([0.06, 0.06])


@pytest.mark.parametrize(("cost", "steps"), [(None, []), ("0", []), ("0.03", [0.03, 0.03])])
def test_a_recogniser_takes_its_time_a_step(monkeypatch, cost, steps):
    slept = []
    monkeypatch.setattr(tones.time, "sleep", slept.append)
    if cost is not None:
        monkeypatch.setenv(tones.COST, cost)
    ears = tones.load(None).open(LANGUAGES["en"], 0.0)
    audio = tones.tones([0, 1])
    heard = [*ears.feed(audio[:8000]).committed, *ears.feed(audio[8000:]).committed]
    assert [word.text for word in heard] == list(tones.SCRIPT[:2])
    assert slept == steps
