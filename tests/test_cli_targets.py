"""``--to`` with several languages, as one types it, and the files that come of it."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from test_translate import write_wav

from alignatt4llm.cli.display import LiveDisplay
from alignatt4llm.cli.main import main, parser
from alignatt4llm.cli.system import Choice
from alignatt4llm.events import Close, Commit, End, Preview, Source, SourceWord
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.recognizers.tones import SCRIPT, tones
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.text.languages import LANGUAGES, Pair, targets

SAID = " ".join(SCRIPT[:12]).upper()


@pytest.fixture
def talk(tmp_path, monkeypatch):
    """A recording of tones, in the current folder, and an interpreter without weights."""
    monkeypatch.setattr(
        "alignatt4llm.interpreter.Interpreter", lambda *_, **__: ScriptedInterpreter()
    )
    monkeypatch.chdir(tmp_path)
    return write_wav(Path("talk.wav"), tones(range(12)))


def translate(*arguments):
    return main(["translate", "--model", "embedded", *map(str, arguments)])


ORDERS = {
    "file first": ["talk.wav", "--to", "de", "it", "zh", "--fast"],
    "file last": ["--fast", "--to", "de", "it", "zh", "talk.wav"],
    "file after": ["--to", "de", "it", "zh", "talk.wav", "--fast"],
    "file between": ["--fast", "talk.wav", "--to", "de", "it", "zh"],
    "commas": ["talk.wav", "--to", "de,it,zh", "--fast"],
    "commas and spaces": ["talk.wav", "--to", "de,", "it,zh", "--fast"],
    "commas, file last": ["--fast", "--to", "de,it,zh", "talk.wav"],
    "semicolons": ["talk.wav", "--to", "de;it", ";zh", "--fast"],
    "names": ["talk.wav", "--to", "German", "Italiano", "中文", "--fast"],
    "equals": ["--to=de,it,zh", "talk.wav", "--fast"],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_languages_are_told_from_the_file(talk, order):
    assert translate(*order, "--txt", "out.txt") == 0
    for code in ("de", "it", "zh"):
        assert "".join(Path(f"out.{code}.txt").read_text().split()) == SAID.replace(" ", "")
    assert not Path("out.txt").exists()


@pytest.mark.parametrize("kind", sorted({*OUTPUTS} - {"jsonl", "scc"}))
def test_every_target_has_its_file(talk, kind):
    assert translate(talk, "--to", "de", "it", "--fast", f"--{kind}", f"a.b.{kind}") == 0
    assert sorted(path.name for path in Path().glob("a.*")) == [f"a.b.de.{kind}", f"a.b.it.{kind}"]
    lone = Path("lone")
    lone.mkdir()
    assert translate(talk, "--to", "it", "--fast", f"--{kind}", lone / f"a.{kind}") == 0
    assert Path(f"a.b.it.{kind}").read_bytes() == (lone / f"a.{kind}").read_bytes()


def test_one_file_has_every_event(talk, capsys):
    assert translate(talk, "--to", "de", "it", "zh", "--fast", "--jsonl", "out.jsonl") == 0
    events = [json.loads(line) for line in Path("out.jsonl").read_text("utf-8").splitlines()]
    for code in ("de", "it", "zh"):
        text = "".join(e["text"] for e in events if e["type"] == "commit" and e["to"] == code)
        assert "".join(text.split()) == SAID.replace(" ", "")
    assert sorted(e["to"] for e in events if e["type"] == "end") == ["de", "it", "zh"]
    assert all("to" in e for e in events)
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    for code in ("de", "it", "zh"):
        own = [line.removeprefix(f"{code}  ") for line in lines if line.startswith(f"{code}  ")]
        assert " ".join(own) == SAID
        assert f"{code}  " in shown.err
    assert len(lines) == 3 * len(own)


def test_one_target_is_shown_and_written_as_ever(talk, capsys):
    assert translate(talk, "--to", "de", "--fast", "--srt", "out.srt", "--txt", "out.txt") == 0
    assert capsys.readouterr().out.strip() == SAID
    assert {path.name for path in Path().glob("out*")} == {"out.srt", "out.txt"}


REFUSED = {
    "the same twice": (["de", "it", "de"], "'de' and 'de' are both German"),
    "a name of it": (["de", "German"], "'de' and 'German' are both German"),
    "its own name": (["de,Deutsch"], "'de' and 'Deutsch' are both German"),
    "a region of it": (["pt", "pt-BR"], "'pt' and 'pt-BR' are both Portuguese"),
    "what stands for it": (["da", "nb"], "'da' and 'nb' are both Danish"),
    "what is spoken": (["en"], "English is what is spoken"),
    "what is spoken, among others": (["de", "english"], "English is what is spoken"),
    "its region": (["de", "en-GB"], "English is what is spoken"),
    "unknown": (["de", "klingon", "it"], "Unknown language 'klingon'"),
    "nothing": ([",", " "], "Name a language"),
}


@pytest.mark.parametrize(("names", "sentence"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("outputs", [[], ["--srt", "out.srt"]])
def test_what_cannot_be_meant_is_one_sentence(talk, capsys, names, sentence, outputs):
    assert translate(talk, "--to", *names, "--fast", *outputs) == 2
    error = capsys.readouterr().err
    assert sentence in error.splitlines()[-1] and "Traceback" not in error
    assert not list(Path().glob("out*"))


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/null", "/dev/fd/1"])
def test_several_languages_need_files_of_their_own(talk, capsys, name):
    assert translate(talk, "--to", "de", "it", "--fast", "--txt", name) == 2
    assert "takes one language" in capsys.readouterr().err
    assert translate(talk, "--to", "de", "it", "--fast", "--jsonl", name) == 0


def test_a_file_of_a_target_is_no_input_either(talk, capsys):
    talk.rename("talk.de.txt")
    assert translate("talk.de.txt", "--to", "de", "it", "--fast", "--txt", "talk.txt") == 2
    assert "would overwrite 'talk.de.txt'" in capsys.readouterr().err


def test_a_glossary_is_for_one_language(talk, capsys):
    Path("terms.txt").write_text("one = eins\n")
    assert translate(talk, "--to", "de", "it", "--fast", "--glossary", "terms.txt") == 2
    assert "A glossary is for one target language" in capsys.readouterr().err


def test_one_missing_head_set_is_told_before_anything_is_loaded(talk, capsys):
    command = ["translate", str(talk), "--to", "de", "fil", "--fast", "--model", "no/such"]
    assert main([*command, "--no-calibration"]) == 2
    assert "There is no head set for en-de" in capsys.readouterr().err


def test_a_dry_run_tells_of_each_direction(capsys):
    assert main(["translate", "--to", "de", "it", "--model", "embedded", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "English to German, Italian" in out and out.count("\nheads ") == 2


def test_the_order_is_that_of_the_command_line():
    chosen = Choice.of(parser().parse_args(["translate", "--to", "it", "de", "zh"]))
    assert [str(pair) for pair in chosen.pairs] == ["en-it", "en-de", "en-zh"]
    assert targets(["zh", "de"], LANGUAGES["en"]) == (LANGUAGES["zh"], LANGUAGES["de"])


def test_a_terminal_shows_each_language_on_a_line_of_its_own():
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=80)
    display = LiveDisplay(console, [Pair.parse("en-de"), Pair.parse("en-zh")])

    def shown():
        picture = Console(file=io.StringIO(), width=80)
        picture.print(display.picture())
        return [line.rstrip() for line in picture.file.getvalue().splitlines()]

    display.write(Source(0, (SourceWord("Good", 0, 1),), (SourceWord("day", 1, 2),), 2.0, "de"))
    display.write(Commit("Guten", 0, 2.0, 2.5, 0, (), "de"))
    display.write(Preview("Tag", 0, "", "de"))
    display.write(Commit("你", 0, 2.0, 4.0, 0, (), "zh"))
    display.write(Preview("好", 0, "", "zh"))
    assert shown()[:3] == ["de  Guten Tag", "zh  你好", "Good day"]
    assert "de  2.0 s heard, 0.5 s behind" in shown()[3] and "2.0 s behind" in shown()[4]
    display.write(Close(0, "Good day", "Guten", 0.0, 2.0, 2.0, 2, "de"))
    assert shown()[:3] == ["de", "zh  你好", ""]
    display.write(End(2.0, 2.0, 1.0, 1.0, to="de"))
    assert shown()[1] == "zh  你好"
    display.close()
