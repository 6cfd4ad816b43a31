"""No command writes over what it reads, or two outputs into one file; nothing is half written."""

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from test_evaluate_corpus import long, write_wav

from alignatt4llm import interpreter
from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.cli.main import main, parser
from alignatt4llm.errors import UsageError
from alignatt4llm.files.apart import keep_apart
from alignatt4llm.files.pictures import save_picture
from alignatt4llm.files.writing import write_whole
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.outputs.tracks import READERS

COMMAND = [sys.executable, "-m", "alignatt4llm.cli.main"]
TRANSLATE = ["translate", "talk.wav", "--to", "de", "--fast"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with one of everything that is read, where nothing may be loaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(interpreter, "Interpreter", lambda *_, **__: pytest.fail("loaded"))
    long(tmp_path, {"offset": 0, "duration": 1, "text": "one"})
    HeadSet("tiny", "en-de", ((0, 1),)).save(tmp_path / "heads.json")
    for name in ("terms.txt", "en.txt", "de.txt", "links.txt"):
        (tmp_path / name).write_text("one = eins\n")
    (tmp_path / "link.wav").symlink_to("talk.wav")
    os.link("talk.wav", "hard.wav")
    (tmp_path / "dangling").symlink_to("later.srt")
    (tmp_path / "sub").mkdir()
    (tmp_path / "run").mkdir()
    for name in ("manifest.json", "recordings.json", "hypothesis.jsonl"):
        (tmp_path / "run" / name).write_text("{}")
    return tmp_path


def state(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path: path.read_bytes() for path in files}


ONE_FILE = [
    [*TRANSLATE, "--srt", "talk.wav"],
    [*TRANSLATE, "--srt", "./talk.wav"],
    [*TRANSLATE, "--vtt", "sub/../talk.wav"],
    [*TRANSLATE, "--jsonl", "link.wav"],
    [*TRANSLATE, "--txt", "hard.wav"],
    [*TRANSLATE, "--srt", "TALK.wav"],
    ["translate", "link.wav", "--to", "de", "--srt", "hard.wav"],
    ["translate", "file:{folder}/talk.wav", "--to", "de", "--srt", "talk.wav"],
    ["translate", "missing.wav", "--to", "de", "--srt", "missing.wav"],
    [*TRANSLATE, "--srt", "out", "--vtt", "out"],
    [*TRANSLATE, "--srt", "out", "--jsonl", "./OUT"],
    [*TRANSLATE, "--srt", "dangling", "--vtt", "later.srt"],
    [*TRANSLATE, "--srt", "ä.srt", "--vtt", unicodedata.normalize("NFD", "ä.srt")],
    [*TRANSLATE, "--glossary", "terms.txt", "--txt", "terms.txt"],
    [*TRANSLATE, "--document", "en.txt", "--document", "de.txt", "--txt", "de.txt"],
    [*TRANSLATE, "--abstract", "en.txt", "--txt", "en.txt"],
    [*TRANSLATE, "--heads", "heads.json", "--jsonl", "heads.json"],
    [*TRANSLATE, "--audio-heads", "heads.json", "--jsonl", "heads.json"],
    ["listen", "--to", "de", "--srt", "out", "--txt", "out"],
    ["bench", "--schedules", "talk.wav", "--json", "talk.wav"],
    ["bench", "--heads", "heads.json", "--json", "heads.json"],
    ["evaluate", "run", "--data", "sub", "--pair", "en-de", "--out", "sub"],
    ["evaluate", "score", "run", "--json", "run/manifest.json"],
    ["evaluate", "score", "sub", "--offline", "run", "--json", "run/hypothesis.jsonl"],
    ["evaluate", "tail", "--data", ".", "--json", "talk.json"],
    ["evaluate", "tail", "--data", ".", "--json", "out.svg", "--out", "out.svg"],
    ["heads", "plot", "map", "heads.svg", "--out", "heads.svg"],
    ["heads", "audio", "--recording", "talk.wav", "talk.json", "--out", "talk.json"],
    [
        "heads", "score", "heads.json", "--src", "en.txt", "--tgt", "de.txt",
        "--gold", "links.txt", "--json", "links.txt",
    ],
    ["heads", "calibrate", "--pair", "en-de", "--data", "en.txt", "de.txt", "--out", "de.txt"],
]  # fmt: skip
"""Commands in which an output is an input or another output."""


@pytest.mark.parametrize("arguments", ONE_FILE, ids=" ".join)
def test_an_output_is_no_input_and_no_other_output(folder, capsys, arguments):
    before = state(folder)
    assert main([each.format(folder=folder) for each in arguments]) == 2
    error = capsys.readouterr().err
    assert re.search(r"--\w+ would overwrite '|--\w+ and --\w+ would both write '", error), error
    assert state(folder) == before


NAMES = {
    "file:talk.wav": "file:talk.wav",
    "my%20talk.wav": "file:my%20talk.wav",
    "my talk.wav": "file://{folder}/my%20talk.wav",
    "talk#1.wav": "file:talk#1.wav",
    "what?.wav": "file:{folder}/what?.wav",
    "at.wav": "file://localhost{folder}/at.wav",
    "talk: part 1.wav": "talk: part 1.wav",
    "http:x.wav": "./http:x.wav",
    "2026-11-28T10:30:00.wav": "file:2026-11-28T10:30:00.wav",
}
"""Recordings whose names look like addresses, and how they may be given."""


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_kept_however_it_is_named(folder, capsys, name):
    (folder / name).write_bytes((folder / "talk.wav").read_bytes())
    before, given = state(folder), NAMES[name].format(folder=folder)
    assert any(len(block) for block in AudioSource(given))
    assert main(["translate", given, "--to", "de", "--fast", "--srt", f"./{name}"]) == 2
    assert "--srt would overwrite '" in capsys.readouterr().err
    assert state(folder) == before


CANNOT = [
    ([*TRANSLATE, "--srt", "none/a.srt"], "There is no folder '{folder}/none'"),
    ([*TRANSLATE, "--srt", "sub"], "'sub' cannot be written: it is a folder"),
    ([*TRANSLATE, "--srt", "talk.wav/a.srt"], "cannot be written: Not a directory"),
    ([*TRANSLATE, "--srt", "a" * 300], "cannot be written: File name too long"),
    (["bench", "--json", "none/a.json"], "There is no folder"),
    (["evaluate", "run", "--data", ".", "--pair", "en-de", "--out", "talk.wav"], "is a file"),
    (["evaluate", "run", "--data", ".", "--pair", "en-de", "--out", "en.txt/run"], "is a file"),
    (["evaluate", "curve", "run", "--out", "a.doc"], "'a.doc' cannot be drawn"),
    (["evaluate", "curve", "run", "--out", "curve"], "'curve' cannot be drawn"),
    (["evaluate", "tail", "--data", ".", "--out", "none/a.svg"], "There is no folder"),
    (["heads", "plot", "map", "heads.json", "--out", "none/a.svg"], "There is no folder"),
    (["heads", "audio", "--recording", "talk.wav", "talk.json", "--out", "sub"], "it is a folder"),
]
"""Commands whose output cannot be written, and what they say."""


@pytest.mark.parametrize(("arguments", "said"), CANNOT)
def test_an_output_that_cannot_be_written_is_told_before_anything_is_loaded(
    folder, capsys, arguments, said
):
    before = state(folder)
    assert main(arguments) == 2
    assert said.format(folder=folder) in capsys.readouterr().err
    assert state(folder) == before


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("translate - --to de --srt talk.wav < talk.wav", "--srt would overwrite '/dev/stdin'"),
        ("translate talk.wav --to de --srt out > out", "--srt and standard output would both"),
        ("translate talk.wav --to de >> talk.wav", "standard output would overwrite 'talk.wav'"),
    ],
)
def test_redirections_are_files_too(folder, shell, said):
    before = (folder / "talk.wav").read_bytes()
    line = " ".join(COMMAND) + " " + shell
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and said in done.stderr
    assert (folder / "talk.wav").read_bytes() == before


def test_devices_pipes_and_streams_may_be_named_again(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in map(Path, ("/dev/null", "/dev/stdout", "/dev/fd/1", tmp_path / "pipe")):
        keep_apart([("--srt", path), ("--vtt", path)], [path])
    with pytest.raises(UsageError, match="both write"):
        keep_apart([("--srt", tmp_path / "a"), ("--vtt", tmp_path / "a")], [])


def test_every_option_that_names_an_output_is_checked():
    def actions(whole):
        for action in whole._actions:
            if isinstance(action, argparse._SubParsersAction):
                for each in action.choices.values():
                    yield from actions(each)
            yield action

    named = {"--out", "--json", *(f"--{name}" for name in OUTPUTS)}
    found = [action for action in actions(parser()) if named & set(action.option_strings)]
    assert len(found) > 15
    assert [each.option_strings for each in found if not hasattr(each, "check")] == []


def limited(code, most):
    """Run Python where no file may grow beyond ``most`` bytes."""
    return subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        capture_output=True,
        text=True,
        check=False,
    )


GROWING = [kind for kind in OUTPUTS if kind != "scc"]
"""Outputs that are written while it runs."""


@pytest.mark.parametrize("kind", GROWING)
def test_a_record_for_which_there_is_no_room_is_not_begun(tmp_path, kind):
    path = tmp_path / "a"
    code = f"""
from pathlib import Path
from alignatt4llm.events import Close, Commit
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.text.languages import Pair
STYLE = Style.of(Pair.parse("en-de"))
output = OUTPUTS[{kind!r}].open(Path({str(path)!r}), STYLE)
for n in range(100):
    output.write(Commit(" word" * 40, n, n + 1.0, 0.0, -1))
    output.write(Close(n, "x", "word" + " word" * 39, n, n + 1.0, n + 1.0, 1))
"""
    done = limited(code, 1500)
    assert f"AlignattError: '{path}' cannot be written: File too large." in done.stderr
    text = path.read_text("utf-8")
    assert 400 < len(text) <= 1500
    whole(kind, text)


def whole(kind, text):
    """See that a file holds whole records only; return how many."""
    if kind == "jsonl":
        assert text.endswith("\n")
        return len([json.loads(line) for line in text.splitlines()])
    if kind == "txt":
        assert set(text.splitlines()) == {" ".join(["word"] * 40)}
        return text.count("\n")
    if kind == "scc":
        assert text == "Scenarist_SCC V1.0\n\n"
        return 0
    written = [line for cue in READERS[kind][0](text) for line in cue.lines]
    assert {word for line in written for word in line.split()} <= {"word"}
    return " ".join(written).count("word") // 40


def test_what_is_written_whole_is_as_it_was_when_it_cannot_be(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("before")
    code = f"""
from pathlib import Path
from alignatt4llm.files.writing import write_whole
write_whole(Path({str(path)!r}), "after" * 1000)
"""
    assert "cannot be written: File too large" in limited(code, 1000).stderr
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_what_is_written_whole_keeps_links_and_rights(tmp_path):
    path, link = tmp_path / "a.json", tmp_path / "link"
    path.write_text("before")
    path.chmod(0o640)
    link.symlink_to(path)
    write_whole(link, "after")
    assert link.is_symlink() and path.read_text() == "after"
    assert path.stat().st_mode & 0o777 == 0o640
    write_whole(Path("/dev/null"), "after")
    assert Path("/dev/null").is_char_device()


ENDLESS = """
import sys, time
from pathlib import Path
from alignatt4llm.events import Close, Commit
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.text.languages import Pair
STYLE = Style.of(Pair.parse("en-de"))
outputs = [kind.open(Path(sys.argv[1]) / name, STYLE) for name, kind in OUTPUTS.items()]
for n in range(1_000_000):
    for output in outputs:
        output.write(Commit(" word" * 40, n, n + 1.0, 0.0, -1))
        output.write(Close(n, "x", "word" + " word" * 39, n, n + 1.0, n + 1.0, 1))
    print(n, flush=True)
    time.sleep(0.001)
"""


@pytest.mark.parametrize("rounds", [3, 40])
def test_a_process_that_is_killed_leaves_whole_records(tmp_path, rounds):
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE
    )
    for _ in range(rounds):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    for kind in GROWING:
        count = whole(kind, (tmp_path / kind).read_text("utf-8"))
        assert count >= (2 * rounds if kind == "jsonl" else rounds - 1)  # the last cue may wait
    assert whole("scc", (tmp_path / "scc").read_text("utf-8")) == 0


def test_an_output_that_is_standard_output_is_written_where_that_stands(tmp_path):
    code = """
import sys
from pathlib import Path
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.text.languages import Pair
STYLE = Style.of(Pair.parse("en-de"))
from alignatt4llm.events import Commit
print("before", flush=True)
output = OUTPUTS["jsonl"].open(Path("/dev/stdout"), STYLE)
output.write(Commit("x", 0, 1.0, 1.0, -1))
print("between", flush=True)
output.close()
print("after", flush=True)
"""
    with (tmp_path / "out").open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    before, commit, *rest = (tmp_path / "out").read_text().splitlines()
    assert (before, json.loads(commit)["text"], rest) == ("before", "x", ["between", "after"])


def test_a_picture_that_cannot_be_drawn_leaves_what_was_there(tmp_path):
    class Broken:
        def savefig(self, file, **options):
            file.write(b"half")
            raise ValueError("no")

    (tmp_path / "a.svg").write_text("before")
    with pytest.raises(UsageError, match="cannot be drawn: no"):
        save_picture(Broken(), tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == "before"


def test_a_failed_start_leaves_the_outputs_of_before(tmp_path, monkeypatch, capsys):
    write_wav(tmp_path / "talk.wav", 1.0)
    (tmp_path / "a.srt").write_text("before")
    arguments = ["translate", tmp_path / "talk.wav", "--to", "cs", "--srt", tmp_path / "a.srt"]
    assert main(list(map(str, arguments))) != 0
    assert "en-cs" in capsys.readouterr().err
    assert (tmp_path / "a.srt").read_text() == "before"
