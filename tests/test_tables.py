"""The tables of engines, recognisers, policies and presets, and who reads them."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from alignatt4llm.calibrate import model as calibrated
from alignatt4llm.cli import doctor
from alignatt4llm.cli.main import main, parser
from alignatt4llm.cli.serve import _interpreter
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Commit
from alignatt4llm.heads.headset import HeadSet, Layout
from alignatt4llm.policy.alignatt import AlignAtt, AlignAttSettings
from alignatt4llm.policy.rivals import Confidence, WaitK
from alignatt4llm.policy.table import POLICIES, make_policy, spellings
from alignatt4llm.recognizers.loading import load_recognizer
from alignatt4llm.recognizers.tones import SCRIPT, tones
from alignatt4llm.settings.presets import PRESETS
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Loaded
from alignatt4llm.translators.scripted import ScriptedTranslator
from alignatt4llm.translators.table import ENGINES, find_engine

SAMPLE = Path(__file__).parent.parent / "samples" / "lj001.ogg"
PAIR = Pair.parse("en-de")
HEADS = HeadSet("scripted", "en-cs", ((0, 0), (0, 1)))


@pytest.fixture
def artefact(tmp_path):
    path = tmp_path / "heads.json"
    HEADS.save(path)
    return path


def served(*options):
    """What ``alignatt serve`` opens its sessions on."""
    return _interpreter(parser().parse_args(["serve", "--model", "scripted", *map(str, options)]))


def said(session):
    events = [*session.feed(tones(range(8))), *session.finish()]
    return "".join(event.text for event in events if isinstance(event, Commit)).split()


def test_a_server_offers_the_direction_of_a_head_set_of_ones_own(artefact):
    assert "en-cs" not in served().pairs
    interpreter = served("--heads", artefact)
    assert interpreter.pairs == ("en-cs", "en-de", "en-it", "en-zh")
    assert interpreter.heads(Pair.parse("en-cs")) == HEADS
    assert interpreter.heads(PAIR).pair == "en-de"
    assert said(interpreter.open(Pair.parse("en-cs"))) == [word.upper() for word in SCRIPT[:8]]


def test_a_server_takes_every_option_of_a_system(artefact, tmp_path):
    glossary = tmp_path / "terms.txt"
    glossary.write_text("map = Karte\n")
    options = ["--preset", "paper-exact", "--prompt", "chat", "--heads", artefact]
    system = served(*options, "--glossary", glossary, "--to", "cs").system
    assert (system.policy, system.head_count, system.prompt) == ("published", 4, "chat")
    assert system.context.glossary[0].target == "Karte"


def test_what_a_system_says_holds_for_its_sessions():
    interpreter = served("--preset", "paper-exact")
    seen = []
    interpreter.translator = SimpleNamespace(
        prompt_form=ScriptedTranslator().prompt_form,
        open=lambda pair, heads, beginning: seen.append(heads) or ScriptedTranslator().open,
    )
    wide = HeadSet("scripted", "en-de", tuple((0, head) for head in range(9)))
    session = interpreter.open(PAIR, "low", heads=wide)
    assert len(seen[0].heads) == 4
    assert type(session._policy).__name__ == "PublishedAlignAtt"


def test_engines_are_found_by_name_by_address_and_by_a_model_that_needs_none():
    assert find_engine("https://gpu:8000").extra == "remote"
    assert find_engine("transformers", "scripted") is ENGINES["scripted"]
    with pytest.raises(UsageError, match=r"There is no engine 'x'\. There are: auto, transformers"):
        find_engine("x")
    with pytest.raises(UsageError, match="There is no engine 'x'"):
        find_engine("x", "scripted")


def test_a_missing_head_set_is_told_before_anything_is_loaded():
    with pytest.raises(UsageError, match="no head set for de-en"):
        System("someone/model", calibration=False).head_set(Pair.parse("de-en"))
    assert System("someone/model").head_set(Pair.parse("de-en")) is None, "it is calibrated first"
    assert System("scripted").head_set(Pair.parse("de-en")) is None


def test_policies_are_made_by_name_and_number():
    def make(spelled):
        return make_policy(spelled, HEADS, AlignAttSettings(0.2), PAIR.target)

    assert make("alignatt") == AlignAtt(HEADS, AlignAttSettings(0.2))
    assert make("wait-k") == WaitK(HEADS, PAIR.target, 5)
    assert make("confidence:0.9") == Confidence(HEADS, PAIR.target, 0.9)
    assert all(make(spelled) for spelled in (*POLICIES, *spellings()))
    for wrong, told in {
        "best": "There is no policy 'best'. There are: alignatt, published, wait-k:5",
        "wait-k:few": "few is not a number",
        "sentence:3": "sentence takes no number",
    }.items():
        with pytest.raises(UsageError, match=told):
            make(wrong)


def test_tones_are_heard_by_name_and_take_no_options():
    heard = load_recognizer("scripted").open(PAIR.source, 0.3).feed(tones(range(3)))
    assert [word.text for word in heard.committed] == list(SCRIPT[:3])
    with pytest.raises(UsageError, match="--aligner is for Qwen3-ASR; this is no model"):
        load_recognizer("scripted", aligner="qwen3-forced-aligner")
    with pytest.raises(UsageError, match="vLLM can run Qwen3-ASR; this is no model"):
        load_recognizer("scripted", engine="vllm")


def test_presets_say_where_head_sets_are_calibrated_first(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    assert PRESETS["embedded"].pairs == ("en-de", "en-it", "en-zh")
    unready = {name for name, preset in PRESETS.items() if not preset.pairs}
    assert unready == {"qwen3-4b", "hy-mt-1.8b", "tower-7b", "laptop-small"}
    with pytest.raises(SystemExit):
        main(["translate", "--help"])
    shown = capsys.readouterr().out
    doctor._tables()
    found = capsys.readouterr().out
    docs = Path(__file__).parent.parent / "docs"
    page = "".join((docs / name).read_text("utf-8") for name in ("gpu.md", "gguf.md"))
    for name, preset in PRESETS.items():
        assert name in shown
        [line] = [line for line in found.splitlines() if f" {name}: " in line]
        assert ("calibrated on first use" in line) == (name in unready)
        assert preset.title in line
        [row] = [row for row in page.splitlines() if row.startswith(f"| `{name}` ")]
        assert row.endswith(f"| {', '.join(preset.pairs) or 'calibrated on first use'} |")
    command = ["translate", str(SAMPLE), "--to", "de", "--preset", "tower-7b"]
    assert main([*command, "--no-calibration"]) == 2
    assert "There is no head set for en-de with the model 'Tower" in capsys.readouterr().err


class Spoken(ScriptedTranslator):
    """Can be made to say given translations; has six heads."""

    layout = Layout(2, 3)

    def forcer(self, pair, heads):
        return len(heads.heads)


def test_calibration_takes_any_engine_that_can_say_given_translations(monkeypatch):
    loaded = Loaded("spoken", "", Spoken(), "main")
    monkeypatch.setattr(calibrated, "load_translator", lambda engine, asked: loaded)
    found = calibrated.load("any", PAIR, "auto", print, "spoken")
    assert (found.name, found.revision, found.layout) == ("spoken", "main", Layout(2, 3))
    assert found.forcer == 6


def test_engines_that_cannot_be_calibrated_or_measured_are_refused(capsys):
    with pytest.raises(UsageError, match="'scripted' cannot read all heads"):
        calibrated.load("scripted", PAIR, "auto", print, "scripted")
    assert main(["bench", "--engine", "scripted"]) == 2
    assert "The drafts of the engine 'scripted' cannot be measured" in capsys.readouterr().err


def test_a_missing_portaudio_is_told(monkeypatch, capsys):
    class NoLibrary:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoLibrary(), *sys.meta_path])
    monkeypatch.setattr("alignatt4llm.interpreter.Interpreter", None)  # before anything is loaded
    assert main(["listen", "--to", "de"]) == 1
    assert "apt-get install libportaudio2" in capsys.readouterr().err
