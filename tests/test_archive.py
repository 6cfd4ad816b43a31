"""``alignatt subtitle``: every recording once, whatever happens on the way."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from archives import (
    ALL,
    KILLED,
    NAMES,
    SCRIPTED,
    archive,
    broken,
    done,
    interrupt,
    results,
    said,
    subtitle,
    talk,
    text,
    times,
    write_wav,
)  # fmt: skip

from alignatt4llm.archive.account import Account
from alignatt4llm.archive.items import File, Item, Outcome, Task
from alignatt4llm.archive.record import Record
from alignatt4llm.archive.work import Worker
from alignatt4llm.cli.main import main
from alignatt4llm.errors import AlignattError
from alignatt4llm.events import Notice
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.recognizers.tones import ToneEngine, tones
from alignatt4llm.text.languages import LANGUAGES


def test_a_folder_becomes_a_folder_of_subtitles(tmp_path, capsys):
    archive(tmp_path / "talks", *NAMES)
    assert subtitle(tmp_path / "talks", "--to", "de", "it", "--out", tmp_path / "out") == 0
    found = results(tmp_path / "out")
    stems = [name.removesuffix(".wav") for name in NAMES]
    assert sorted(found) == sorted(f"{stem}.{to}.srt" for stem in stems for to in ("de", "it"))
    for number, stem in enumerate(stems):
        assert text(found[f"{stem}.de.srt"]) == said(range(number, number + 6))
    told = capsys.readouterr().err
    assert "[4/4] é/ü: 0:00:02 of audio in 0:00:00; 0:00:10 of 0:00:10 hours, 0:00:00 left" in told


@pytest.mark.parametrize("form", sorted({*OUTPUTS} - {"scc"}))
def test_any_output_can_be_asked_for(tmp_path, form):
    archive(tmp_path, "a.wav")
    arguments = [tmp_path / "a.wav", "--to", "de", "it", "--out", tmp_path / "out"]
    assert subtitle(*arguments, "--format", form) == 0
    names = ["a.jsonl"] if form == "jsonl" else [f"a.de.{form}", f"a.it.{form}"]
    assert sorted(results(tmp_path / "out")) == names
    assert all("GOOD" in each.upper() for each in results(tmp_path / "out").values())


SPEECH = Path(__file__).parent.parent / "samples" / "fleurs-en-000.ogg"
EQUAL = {
    "scripted": (lambda path: talk(path, range(30)), SCRIPTED),
    "embedded": pytest.param(lambda path: shutil.copy(SPEECH, path), ["--model", "embedded"],
                             marks=pytest.mark.models),
}  # fmt: skip


@pytest.mark.parametrize(("make", "models"), EQUAL.values(), ids=EQUAL)
def test_subtitles_are_those_of_translate(tmp_path, make, models):
    recording, out = tmp_path / "talk.wav", tmp_path / "out"
    make(recording)
    asked = [str(recording), "--to", "de", *models]
    assert main(["subtitle", *asked, "--out", str(out)]) == 0
    assert main(["translate", *asked, "--fast", "--final", "--subtitles", f"{out}.srt"]) == 0
    found = results(out)["talk.de.srt"]
    assert found.count("-->") > 1
    assert found == Path(f"{out}.srt").read_text("utf-8")


ORDERS = {
    "first": ["talks", "--to", "de", "it", "--out", "out", "--format", "srt", "txt"],
    "after languages": ["--out", "out", "--format", "srt", "txt", "--to", "de", "it", "talks"],
    "after formats": ["--out", "out", "--to", "de", "it", "--format", "srt", "txt", "talks"],
    "last": ["--to", "de", "it", "--format", "srt", "txt", "--out", "out", "talks"],
    "between": ["--to", "de", "it", "talks", "--format", "srt", "txt", "--out", "out"],
    "commas": ["--to", "de,it", "talks", "--format", "srt,txt", "--out", "out"],
    "several": ["--out", "out", "--format=srt,txt", "--to", "de,it", "talks", "talks/a.wav"],
    "twice": ["talks", "--to", "de", "it", "--out", "out", "--format", "srt", "txt", "srt"],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_options_and_inputs_come_in_any_order(tmp_path, monkeypatch, order):
    archive(tmp_path / "talks", "a.wav")
    monkeypatch.chdir(tmp_path)
    assert subtitle(*order) == 0
    assert sorted(results(tmp_path / "out")) == [
        f"a.{to}.{form}" for to in ("de", "it") for form in ("srt", "txt")
    ]


def test_the_same_again_does_nothing(tmp_path, worked, capsys):
    archive(tmp_path / "talks", *NAMES)
    arguments = [tmp_path / "talks", "--to", "de", "--out", tmp_path / "out"]
    assert subtitle(*arguments) == 0
    before = {path: times(tmp_path / "out" / path) for path in results(tmp_path / "out")}
    record = done(tmp_path / "out")
    assert subtitle(*arguments) == 0
    assert before == {path: times(tmp_path / "out" / path) for path in results(tmp_path / "out")}
    assert (len(worked), done(tmp_path / "out")) == (4, record)
    assert "4 of 4 recordings are done already." in capsys.readouterr().err


def touch(folder, out):
    os.utime(folder / "b c" / "d.wav", (1, 1))


def replace(folder, out):
    talk(folder / "b c" / "d.wav", range(9, 12))


def add(folder, out):
    talk(folder / "b c" / "z.wav")


def drop(folder, out):
    (out / "b c" / "d.it.srt").unlink()


def rename(folder, out):
    (folder / "b c" / "d.wav").rename(folder / "b c" / "e.wav")


def move(folder, out):
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(folder.with_name("moved"))


CHANGES = {
    "nothing": ([], None, []),
    "the date of a recording": ([], touch, ["b c/d"]),
    "a recording": ([], replace, ["b c/d"]),
    "one more recording": ([], add, ["b c/z"]),
    "a result that is gone": ([], drop, ["b c/d"]),
    "the name of a recording": ([], rename, ["b c/e"]),
    "where all of it lies": ([], move, []),
    "rules": (["--rules", "bbc"], None, ALL),
    "source beneath": (["--with-source"], None, ALL),
    "latency": (["--latency", "high"], None, ALL),
    "language spoken": (["--from", "fr"], None, ALL),
    "one more format": (["--format", "srt", "vtt"], None, ALL),
    "another format": (["--format", "txt"], None, ALL),
    "one more language": (["--to", "de", "it", "zh"], None, ALL),
    "a language less": (["--to", "it"], None, []),
    "languages in another order": (["--to", "it", "de"], None, []),
    "a language by its name": (["--to", "German", "Italiano"], None, []),
    "a title": (["--title", "Maps"], None, ALL),
    "channel": (["--channel", "left"], None, ALL),
    "all of it again": (["--again"], None, ALL),
}


@pytest.mark.parametrize(("options", "change", "expected"), CHANGES.values(), ids=CHANGES)
def test_only_what_is_missing_or_changed_is_done(tmp_path, worked, options, change, expected):
    archive(tmp_path / "talks", *NAMES)
    arguments = [tmp_path / "talks", "--to", "de", "it", "--out", tmp_path / "out"]
    assert subtitle(*arguments) == 0
    worked.clear()
    if change:
        change(tmp_path / "talks", tmp_path / "out")
    assert subtitle(*arguments, *options) == 0
    assert sorted(worked) == sorted(expected)
    worked.clear()
    assert subtitle(*arguments, *[each for each in options if each != "--again"]) == 0
    assert worked == []


def test_what_is_there_already_is_left_as_it_was_edited(tmp_path):
    archive(tmp_path / "talks", "a.wav")
    arguments = [tmp_path / "talks", "--out", tmp_path / "out"]
    assert subtitle(*arguments, "--to", "de") == 0
    (tmp_path / "out" / "a.de.srt").write_text("by hand")
    assert subtitle(*arguments, "--to", "de", "it", "--format", "srt", "vtt") == 0
    found = results(tmp_path / "out")
    assert found["a.de.srt"] == "by hand"
    assert sorted(found) == ["a.de.srt", "a.de.vtt", "a.it.srt", "a.it.vtt"]


def test_files_that_settings_name_count_by_what_is_in_them(tmp_path, worked):
    archive(tmp_path / "talks", "a.wav")
    glossary = tmp_path / "terms.txt"
    glossary.write_text("maps = Karten\n")
    arguments = [tmp_path / "talks", "--to", "de", "--out", tmp_path / "out"]
    for expected in (1, 1, 2):
        if expected == 2:
            glossary.write_text("maps = Landkarten\n")
        assert subtitle(*arguments, "--glossary", glossary) == 0
        assert len(worked) == expected


@pytest.mark.parametrize("number", [3])
@pytest.mark.parametrize(
    "moment",
    [
        "before the work", "after the work", "before a file", "within a file", "after a file",
        "before a note", "within a note", "after a note",
    ],
)  # fmt: skip
def test_whenever_a_run_is_killed_the_next_makes_everything_once(tmp_path, worked, moment, number):
    archive(tmp_path / "talks", *NAMES)
    arguments = [tmp_path / "talks", "--to", "de", "it", "--out"]
    killed, whole, log = tmp_path / "killed", tmp_path / "whole", tmp_path / "log"
    command = [sys.executable, KILLED, moment, str(number), log, "subtitle", *arguments, killed]
    ended = subprocess.run([*command, *SCRIPTED], capture_output=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    noted = {line["name"] for line in done_whole(killed)}
    assert subtitle(*arguments, killed) == 0
    assert set(worked) == set(ALL) - noted
    assert len(worked) + len(log.read_text().split("\n")) - 1 <= len(ALL) + 1
    assert subtitle(*arguments, whole) == 0
    assert results(killed) == results(whole)
    assert sorted(line["name"] for line in done(killed)) == sorted(ALL)


def test_what_a_run_died_of_comes_last(tmp_path, worked):
    archive(tmp_path / "talks", *NAMES)
    arguments = [tmp_path / "talks", "--to", "de", "--out", tmp_path / "out"]
    command = [sys.executable, KILLED, "before the work", "2", tmp_path / "log", "subtitle"]
    subprocess.run([*command, *arguments, *SCRIPTED], capture_output=True, check=False)
    assert subtitle(*arguments) == 0
    assert worked == ["b c/d", "é/ü", "b c/a"]
    worked.clear()
    assert subtitle(*arguments, "--again") == 0
    assert worked == ALL


def killed_in(folder, arguments, *names):
    """Kill a run when it begins one of these; return whether it was killed."""
    script = f"""
import os, signal, sys
from alignatt4llm.archive import work
from alignatt4llm.cli.main import main

def call(worker, task, begun=work.Worker.__call__):
    if task.item.name in {names!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    return begun(worker, task)

work.Worker.__call__ = call
sys.exit(main(sys.argv[1:]))
"""
    command = [sys.executable, "-c", script, "subtitle", *map(str, arguments), *SCRIPTED]
    ended = subprocess.run(command, capture_output=True, cwd=folder, check=False)
    return ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("poison", "runs"), [(["a"], 2), (["a", "b c/d"], 4), (["é/ü"], 2), (ALL[:3], 6)]
)
def test_whatever_runs_die_of_the_rest_is_done(tmp_path, capsys, poison, runs):
    archive(tmp_path / "talks", *NAMES)
    out = tmp_path / "out"
    arguments = [tmp_path / "talks", "--to", "de", "--out", out]
    for _ in range(runs):
        assert killed_in(tmp_path, arguments, *poison)
    assert not killed_in(tmp_path, arguments, *poison)
    assert sorted(results(out)) == sorted(f"{name}.de.srt" for name in {*ALL} - {*poison})
    failed = (out / "failed.txt").read_text().splitlines()
    assert failed[1::2] == [str(tmp_path / "talks" / f"{name}.wav") for name in poison]
    assert all("2 runs were killed" in line for line in failed[::2])
    assert subtitle(*arguments) == 0
    assert len(results(out)) == 4


def done_whole(out):
    """Return the lines of the record that are whole."""
    path = out / ".alignatt" / "done.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("rubbish", [b"\xff\xfe\n", b"{}\n", b"[1]\n", b"null\n", b'{"source": 1'])
def test_a_record_that_was_damaged_counts_for_what_is_whole(tmp_path, worked, rubbish):
    archive(tmp_path / "talks", *NAMES)
    arguments = [tmp_path / "talks", "--to", "de", "--out", tmp_path / "out"]
    assert subtitle(*arguments) == 0
    path = tmp_path / "out" / ".alignatt" / "done.jsonl"
    first, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(rubbish.join([b"", *others]) if rubbish[-1:] == b"\n" else
                     b"".join(others) + rubbish)  # fmt: skip
    worked.clear()
    assert subtitle(*arguments) == 0
    assert worked == [json.loads(first)["name"]]


def empty(path):
    path.write_bytes(b"")


def gone(path):
    path.symlink_to("nothing")


def without_sound(path):
    import av

    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for packet in stream.encode(av.VideoFrame(32, 32, "yuv420p")):
            container.mux(packet)


def no_samples(path):
    talk(path, ())


def unreadable(path):
    talk(path)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")


FAULTS = {
    "broken": (broken, "cannot be read as audio or video"),
    "empty": (empty, "is an empty file"),
    "a link to nothing": (gone, "There is no file"),
    "without sound": (without_sound, "has no sound in it"),
    "without samples": (no_samples, "holds no audio"),
    "unreadable": (unreadable, "Permission denied"),
}


@pytest.mark.parametrize(("make", "sentence"), FAULTS.values(), ids=FAULTS)
def test_a_recording_that_fails_stops_no_other(tmp_path, worked, capsys, make, sentence):
    archive(tmp_path / "talks", "a.wav", "z.wav")
    make(tmp_path / "talks" / "m #1.mp4")
    out = tmp_path / "out"
    assert subtitle(tmp_path / "talks", "--to", "de", "--out", out) == 1
    assert worked == ["a", "m #1", "z", "m #1"]
    assert sorted(results(out)) == ["a.de.srt", "z.de.srt"]
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said and str(out / "failed.txt") in said
    comment, line = (out / "failed.txt").read_text().splitlines()
    assert comment.startswith("# ") and sentence in comment
    assert line == str(tmp_path / "talks" / "m #1.mp4")
    (tmp_path / "talks" / "m #1.mp4").unlink()
    talk(tmp_path / "talks" / "m #1.mp4")
    worked.clear()
    assert subtitle(out / "failed.txt", "--to", "de", "--out", out) == 0
    assert worked == ["m #1"]
    assert sorted(results(out)) == ["a.de.srt", "m #1.de.srt", "z.de.srt"]
    assert not (out / "failed.txt").exists()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(MemoryError(), "not enough memory"), (ValueError("odd\nthing"), "ValueError: odd thing"),
     (AlignattError("The engine is gone."), "The engine is gone.")],
)  # fmt: skip
def test_whatever_goes_wrong_with_one_is_its_own(tmp_path, monkeypatch, error, sentence):
    archive(tmp_path / "talks", "a.wav", "b.wav", "c.wav")
    collect = Worker._collect

    def sometimes(worker, source, *more):
        if source.source.endswith("b.wav"):
            raise error
        return collect(worker, source, *more)

    monkeypatch.setattr(Worker, "_collect", sometimes)
    out = tmp_path / "out"
    assert subtitle(tmp_path / "talks", "--to", "de", "--out", out) == 1
    assert sorted(results(out)) == ["a.de.srt", "c.de.srt"]
    assert sentence in (out / "failed.txt").read_text().splitlines()[0]


def test_what_fails_once_is_done_at_the_end(tmp_path, monkeypatch, worked):
    archive(tmp_path / "talks", "a.wav", "b.wav")
    collect, failing = Worker._collect, [True]

    def once(worker, *more):
        if failing and failing.pop():
            raise OSError("a network that was away")
        return collect(worker, *more)

    monkeypatch.setattr(Worker, "_collect", once)
    assert subtitle(tmp_path / "talks", "--to", "de", "--out", tmp_path / "out") == 0
    assert worked == ["a", "b", "a"]
    assert sorted(results(tmp_path / "out")) == ["a.de.srt", "b.de.srt"]


def test_a_name_too_long_for_results_fails_alone(tmp_path):
    archive(tmp_path / "talks", "a.wav", f"{'b' * 251}.wav")
    assert subtitle(tmp_path / "talks", "--to", "de", "--out", tmp_path / "out") == 1
    assert list(results(tmp_path / "out")) == ["a.de.srt"]
    assert "File name too long" in (tmp_path / "out" / "failed.txt").read_text()


def test_a_full_disk_ends_the_run_in_a_sentence(tmp_path, monkeypatch, worked, capsys):
    archive(tmp_path / "talks", *NAMES)
    write = Path.write_bytes

    def full(path, data):
        if path.suffix == ".new" and len(worked) == 2:
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    arguments = [tmp_path / "talks", "--to", "de", "--out", tmp_path / "out"]
    assert subtitle(*arguments) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert len(worked) == 2
    worked.append("room")
    assert subtitle(*arguments) == 0
    assert len(results(tmp_path / "out")) == 4


def test_a_list_says_what_is_spoken_and_asked_for(tmp_path):
    archive(tmp_path, "x/a.wav", "y/a.wav", "y/b.wav", "z/c.wav")
    (tmp_path / "list.csv").write_text("path,from,to\nx/a.wav,fr,en\ny,,it de\nz/c.wav,de,\n")
    arguments = [tmp_path / "list.csv", "--to", "de", "zh", "--out", tmp_path / "out"]
    assert subtitle(*arguments) == 0
    assert sorted(results(tmp_path / "out")) == [
        "x/a.en.srt", "y/a.de.srt", "y/a.it.srt", "y/b.de.srt", "y/b.it.srt", "z/c.zh.srt"
    ]  # fmt: skip


def test_a_list_that_names_all_languages_needs_no_others(tmp_path):
    archive(tmp_path, "a.wav")
    (tmp_path / "list.jsonl").write_text('{"path": "a.wav", "to": "it"}')
    assert subtitle(tmp_path / "list.jsonl", "--out", tmp_path / "out") == 0
    assert sorted(results(tmp_path / "out")) == ["a.it.srt"]


def test_what_a_list_says_of_a_failure_is_said_again(tmp_path):
    broken(tmp_path / "a.wav")
    (tmp_path / "list.csv").write_text("path,from,to\na.wav,fr,it\n")
    out = tmp_path / "out"
    assert subtitle(tmp_path / "list.csv", "--to", "de", "--out", out) == 1
    talk(tmp_path / "a.wav")
    assert subtitle(out / "failed.txt", "--to", "de", "--out", out) == 0
    assert sorted(results(out)) == ["a.it.srt"]


def test_the_results_of_a_failure_stay_where_they_belong(tmp_path):
    archive(tmp_path / "talks", "x/a.wav", "y/a.wav")
    broken(tmp_path / "talks" / "x" / "a.wav")
    out = tmp_path / "out"
    assert subtitle(tmp_path / "talks", "--to", "de", "--out", out) == 1
    talk(tmp_path / "talks" / "x" / "a.wav")
    assert subtitle(out / "failed.txt", "--to", "de", "--out", out) == 0
    assert sorted(results(out)) == ["x/a.de.srt", "y/a.de.srt"]


def test_subtitles_may_lie_beside_the_recordings(tmp_path, worked):
    archive(tmp_path, "a.wav", "b/c.wav")
    for _ in range(2):
        assert subtitle(tmp_path, "--to", "de", "--out", tmp_path, "--format", "srt", "ass") == 0
    assert len(worked) == 2
    assert sorted(path.name for path in tmp_path.rglob("*.*") if path.is_file()) == [
        "a.de.ass", "a.de.srt", "a.wav", "c.de.ass", "c.de.srt", "c.wav", "done.jsonl"
    ]  # fmt: skip


def test_standard_input_is_a_list(tmp_path):
    archive(tmp_path, "a.wav", "b.wav")
    command = [sys.executable, "-m", "alignatt4llm.cli.main", "subtitle", "-", "--to", "de"]
    ended = subprocess.run([*command, "--out", "out", *SCRIPTED], cwd=tmp_path, text=True,
                           input="a.wav\nb.wav\n", capture_output=True, check=False)  # fmt: skip
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert sorted(results(tmp_path / "out")) == ["a.de.srt", "b.de.srt"]


def test_standard_input_may_be_a_file(tmp_path):
    archive(tmp_path, "a.wav", "sub/b.wav")
    (tmp_path / "list.txt").write_text("a.wav\nsub/b.wav\n")
    command = [sys.executable, "-m", "alignatt4llm.cli.main", "subtitle", "-", "--to", "de"]
    with (tmp_path / "list.txt").open() as list_file:
        ended = subprocess.run([*command, "--out", "out", *SCRIPTED], cwd=tmp_path, text=True,
                               stdin=list_file, capture_output=True, check=False)  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert sorted(results(tmp_path / "out")) == ["a.de.srt", "sub/b.de.srt"]


SPOKEN = {
    "one of two": ("path,from\na.wav,de\nb.wav,en\n", ["--to", "de"], ["b.de.srt"]),
    "one of two, two languages": (
        "path,from\na.wav,de\nb.wav,en\n",
        ["--to", "de", "en"],
        ["a.en.srt", "b.de.srt"],
    ),
    "by its name": ("path,from\na.wav,German\nb.wav,\n", ["--to", "de"], ["b.de.srt"]),
    "in the row": ("path,from,to\na.wav,de,de\nb.wav,,it\n", [], ["b.it.srt"]),
    "one for all languages": (
        "path,from\na.wav,de\nb.wav,\n",
        ["--to", "de", "--format", "jsonl"],
        ["b.jsonl"],
    ),
}


@pytest.mark.parametrize(("rows", "options", "expected"), SPOKEN.values(), ids=SPOKEN)
def test_what_is_spoken_in_the_language_asked_for_is_left_out(
    tmp_path, capsys, rows, options, expected
):
    archive(tmp_path, "a.wav", "b.wav")
    (tmp_path / "list.csv").write_text(rows)
    for _ in range(2):
        assert subtitle(tmp_path / "list.csv", *options, "--out", tmp_path / "out") == 0
        assert sorted(results(tmp_path / "out")) == expected
        told = "Left out, as no other language" in capsys.readouterr().err
        assert told == (len(expected) == 1)


def test_addresses_of_fsspec_are_read(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    archive(tmp_path, "a.wav")
    with fsspec.open("memory://bucket/x/talk 1.wav", "wb") as file:
        file.write((tmp_path / "a.wav").read_bytes())
    (tmp_path / "list.txt").write_text("memory://bucket/x/talk 1.wav\nmemory://bucket/none.wav\n")
    out = tmp_path / "out"
    assert subtitle(tmp_path / "list.txt", "--to", "de", "--out", out) == 1
    assert text(results(out)["talk 1.de.srt"]) == said(range(6))
    assert "There is no file 'memory://bucket/none.wav'" in (out / "failed.txt").read_text()


@pytest.mark.parametrize("scheme", ["nosuch", "s4", "ſ3"])
def test_an_address_nobody_reads_fails_in_a_sentence(tmp_path, scheme):
    (tmp_path / "list.txt").write_text(f"{scheme}://bucket/a.wav\n")
    assert subtitle(tmp_path / "list.txt", "--to", "de", "--out", tmp_path / "out") == 1
    assert f"'{scheme}://bucket/a.wav' cannot be read" in (tmp_path / "out/failed.txt").read_text()


REFUSED = {
    "nothing": ([], "Say what to subtitle"),
    "no language": (["a.wav"], "Name a language"),
    "the spoken one": (["a.wav", "--to", "en"], "English is what is spoken"),
    "unknown language": (["a.wav", "--to", "xx-nosuch"], "xx-nosuch"),
    "unknown rules": (["a.wav", "--to", "de", "--rules", "none"], "There are no rules"),
    "no such file": (["b.wav", "--to", "de"], "There is no file or folder 'b.wav'"),
    "the spoken one, in all rows": (["german.csv", "--to", "de"], "line 2: German is what is"),
    "a row": (["bad.csv", "--to", "de"], "line 2: .*nosuch"),
    "a glossary for two": (
        ["a.wav", "--to", "de", "it", "--glossary", "terms.txt"], "for one target language"
    ),
    "a glossary for one each": (
        ["two.csv", "--glossary", "terms.txt"], "for one target language"
    ),
    "a result that is a list": (
        ["out/a.jsonl", "--to", "de", "--format", "jsonl"], "would overwrite .*a.jsonl"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_done(
    tmp_path, monkeypatch, worked, capsys, arguments, sentence
):
    archive(tmp_path, "a.wav", "out/a.wav")
    (tmp_path / "bad.csv").write_text("path,to\na.wav,nosuch\n")
    (tmp_path / "two.csv").write_text("path,to\na.wav,de\nout/a.wav,it\n")
    (tmp_path / "terms.txt").write_text("a = b\n")
    (tmp_path / "german.csv").write_text("path,from\na.wav,de\nout/a.wav,German\n")
    (tmp_path / "out" / "a.jsonl").write_text('{"path": "a.wav"}\n')
    monkeypatch.chdir(tmp_path)
    assert subtitle(*arguments, "--out", "out") == 2
    assert worked == []
    assert re.search(sentence, capsys.readouterr().err)


def test_a_cluster_without_ray_names_what_to_install(tmp_path, monkeypatch, capsys):
    archive(tmp_path, "a.wav")
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "alignatt4llm.cluster.spread", raising=False)
    arguments = ["--to", "de", "--out", tmp_path / "out", "--cluster", "local"]
    assert subtitle(tmp_path / "a.wav", *arguments) == 1
    said = capsys.readouterr().err
    assert "needs the package ray" in said and "alignatt4llm[cluster]" in said


def test_one_run_at_a_time_writes_a_folder(tmp_path, capsys):
    archive(tmp_path, "a.wav")
    with Record(tmp_path / "out"):
        assert subtitle(tmp_path / "a.wav", "--to", "de", "--out", tmp_path / "out") == 1
    assert "Another 'alignatt subtitle' writes into" in capsys.readouterr().err
    assert subtitle(tmp_path / "a.wav", "--to", "de", "--out", tmp_path / "out") == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_drops_what_is_in_work_and_keeps_the_rest(tmp_path, monkeypatch, worked, capsys):
    archive(tmp_path / "talks", *NAMES)
    interrupt(monkeypatch, worked, 3)
    arguments = [tmp_path / "talks", "--to", "de", "--out", tmp_path / "out"]
    assert subtitle(*arguments) == 130
    assert len(results(tmp_path / "out")) == 2
    assert (
        "Stopped: 2 of 4 recordings are done; the same command goes on" in capsys.readouterr().err
    )
    assert subtitle(*arguments) == 0
    assert len(results(tmp_path / "out")) == 4
    assert len(worked) == 5


class Ears(ToneEngine):
    def detect(self, samples):
        return None


def test_the_spoken_language_is_left_out_where_it_is_found_out(tmp_path, monkeypatch, worked):
    archive(tmp_path, "a.wav")
    monkeypatch.setattr(Interpreter, "ears", Ears())
    german = LANGUAGES["de"], iter([tones(range(6))]), Notice("spoken", "German is spoken.")
    monkeypatch.setattr("alignatt4llm.archive.work.spoken_in", lambda *_: german)
    arguments = [tmp_path / "a.wav", "--from", "auto", "--to", "de", "it", "--out", tmp_path / "o"]
    assert subtitle(*arguments) == 0
    assert list(results(tmp_path / "o")) == ["a.it.srt"]
    assert text(results(tmp_path / "o")["a.it.srt"]) == said(range(6))
    assert subtitle(*arguments) == 0
    assert worked == ["a"]


def test_a_recogniser_that_cannot_tell_the_language_says_so(tmp_path):
    archive(tmp_path, "a.wav")
    arguments = [tmp_path / "a.wav", "--from", "auto", "--to", "de", "--out", tmp_path / "o"]
    assert subtitle(*arguments) == 1
    assert "cannot tell which language" in (tmp_path / "o" / "failed.txt").read_text()


def test_a_notice_is_told_and_is_no_failure(tmp_path, capsys):
    write_wav(tmp_path / "quiet.wav", np.zeros(16_000 * 40, np.float32))
    assert subtitle(tmp_path / "quiet.wav", "--to", "de", "--out", tmp_path / "out") == 0
    assert results(tmp_path / "out") == {"quiet.de.srt": ""}
    assert "quiet: notice: " in capsys.readouterr().err


def test_the_account_counts_what_is_unknown_as_the_mean():
    account = Account(4)
    assert (account.found, account.left(10.0)) == (0.0, None)
    account.find("a", 100.0)
    account.find("b", 300.0)
    account.find("c", None)
    assert account.found == 800.0
    account.finish("b", 200.0)
    account.find("b", 300.0)  # asked late
    assert (account.found, account.done, account.left(50.0)) == (600.0, 200.0, 100.0)
    account.finish("c", 0.0)
    assert (account.finished, account.found) == (2, 400.0)


def test_an_outcome_with_a_problem_writes_nothing(tmp_path):
    task = Task(Item("/a", "a", None, ()), (File("a.de.srt", "srt", "de", "stamp"),))
    with Record(tmp_path) as record:
        record.keep(Outcome(task, {"a.de.srt": "text"}))
        assert record.holds(task.files[0])
        (tmp_path / "a.de.srt").unlink()
        record.keep(Outcome(task, problem="away"))
        assert not record.holds(task.files[0])
