"""What an archive keeps: results of others, work by hand, the list of failures."""

import os
import signal
import subprocess
import sys

import pytest
from archives import (
    ALL,
    KILLED,
    NAMES,
    SCRIPTED,
    archive,
    broken,
    interrupt,
    results,
    said,
    subtitle,
    talk,
    text,
)  # fmt: skip

from alignatt4llm.archive.work import Worker

PLACES = {
    "another folder": ("one/a.wav", "two/a.wav"),
    "another name": ("one/a.wav", "one/b.wav"),
    "another suffix": ("one/a.wav", "one/a.ogg"),
    "another case": ("one/a.wav", "one/A.wav"),
    "deeper": ("one/a.wav", "one/a/a.wav"),
}


@pytest.mark.parametrize(("before", "now"), PLACES.values(), ids=PLACES)
def test_another_recording_of_the_same_size_and_date_is_another(tmp_path, before, now):
    out = tmp_path / "out"
    talk(tmp_path / before, range(6))
    assert subtitle(tmp_path / before, "--to", "de", "--out", out) == 0
    found = (tmp_path / before).stat()
    (tmp_path / before).unlink()
    talk(tmp_path / now, range(6, 12))
    os.utime(tmp_path / now, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert (tmp_path / now).stat().st_size == found.st_size
    assert subtitle(tmp_path / now, "--to", "de", "--out", out) == 0
    assert said(range(6, 12)) in [text(each) for each in results(out).values()]


AGAIN = {
    "one recording": ([["talks/a.wav", "--to", "de", "it"]], ["a"]),
    "one language": ([["talks", "--to", "it"]], [*ALL]),
    "a folder in it": ([["talks/b c", "--to", "de", "it"]], ["b c/a", "b c/d"]),
    "one after another": ([[f"talks/{name}.wav", "--to", "de"] for name in ALL], [*ALL]),
    "another format": ([["talks", "--to", "de", "--format", "vtt"]], [*ALL]),
}


@pytest.mark.parametrize(("commands", "expected"), AGAIN.values(), ids=AGAIN)
def test_only_what_is_named_is_done_again(tmp_path, monkeypatch, worked, commands, expected):
    archive(tmp_path / "talks", *NAMES)
    monkeypatch.chdir(tmp_path)
    assert subtitle("talks", "--to", "de", "it", "--out", "out") == 0
    worked.clear()
    for command in commands:
        assert subtitle(*command, "--out", "out", "--again") == 0
    assert sorted(worked) == sorted(expected)
    assert subtitle("talks", "--to", "de", "it", "--out", "out") == 0
    assert sorted(worked) == sorted(expected)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("at", [1, 2, 4])
def test_what_was_begun_again_goes_on_without_that(tmp_path, monkeypatch, worked, capsys, at):
    archive(tmp_path / "talks", *NAMES)
    arguments = [tmp_path / "talks", "--to", "de", "--out", tmp_path / "out"]
    assert subtitle(*arguments) == 0
    worked.clear()
    interrupt(monkeypatch, worked, at)
    assert subtitle(*arguments, "--again") == 130
    assert "the same command without --again goes on" in capsys.readouterr().err
    assert subtitle(*arguments) == 0
    assert worked == [*ALL[:at], *ALL[at - 1 :]]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("when", ["before", "after"])
def test_ctrl_c_while_models_load_begins_nothing(tmp_path, monkeypatch, worked, when):
    archive(tmp_path / "talks", *NAMES)
    load = Worker.__init__

    def loaded(worker, *more):
        if when == "after":
            load(worker, *more)
        os.kill(os.getpid(), signal.SIGINT)
        if when == "before":
            load(worker, *more)

    monkeypatch.setattr(Worker, "__init__", loaded)
    arguments = [tmp_path / "talks", "--to", "de", "--out", tmp_path / "out"]
    assert subtitle(*arguments) == 130
    assert (worked, results(tmp_path / "out")) == ([], {})


BY_HAND = {
    "a language": (["--to", "de", "it"], ["a.de.srt"]),
    "all": (["--to", "de", "it"], ["a.de.srt", "a.it.srt", "b.de.srt", "b.it.srt"]),
    "a format": (["--to", "de", "--format", "srt", "vtt"], ["a.de.vtt", "b.de.srt"]),
    "one for all languages": (["--to", "de", "--format", "jsonl"], ["a.jsonl"]),
    "an empty one": (["--to", "de"], ["b.de.srt"]),
}


@pytest.mark.parametrize(("options", "names"), BY_HAND.values(), ids=BY_HAND)
def test_subtitles_made_by_hand_stay(tmp_path, capsys, options, names):
    archive(tmp_path, "a.wav", "b.wav")
    content = "" if names == ["b.de.srt"] and "--format" not in options else "by hand"
    for name in names:
        (tmp_path / name).write_text(content)
    recordings = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for more in ([], [], ["--latency", "high"]):
        assert subtitle(*recordings, *options, "--out", tmp_path, *more) == 0
        assert {(tmp_path / name).read_text() for name in names} == {content}
        assert "not from this command" in capsys.readouterr().err
    made = {path.name for path in tmp_path.iterdir() if path.is_file() and path.suffix != ".wav"}
    assert subtitle(*recordings, *options, "--out", tmp_path, "--again") == 0
    assert "by hand" not in {(tmp_path / name).read_text() for name in made}
    assert "not from this command" not in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".wav"} >= made


@pytest.mark.parametrize("moment", ["after a file", "before a note", "within a note"])
def test_what_was_written_before_a_run_was_killed_is_no_work_by_hand(tmp_path, capsys, moment):
    archive(tmp_path / "talks", *NAMES)
    arguments = ["subtitle", tmp_path / "talks", "--to", "de", "it", "--out", tmp_path / "out"]
    for _ in range(2):
        command = [sys.executable, KILLED, moment, "3", tmp_path / "log", *arguments, *SCRIPTED]
        subprocess.run(command, capture_output=True, check=False)
    assert subtitle(*arguments[1:], "--latency", "high") == 0
    assert "not from this command" not in capsys.readouterr().err
    assert len(results(tmp_path / "out")) == 8


def broken_archive(folder, *names):
    archive(folder, *names)
    for name in names:
        (folder / name).write_bytes(b"no media" * 100)
    return folder


LISTS_LEFT = {
    "failures": "# why\n{0}/m.wav\n# too\n{0}/n.wav\n",
    "a person's": "# mine\n\nm.wav\n\n# for later: \n{{no json\n",
    "objects": '{{"path": "{0}/m.wav", "to": "it"}}\n',
}


@pytest.mark.parametrize("content", LISTS_LEFT.values(), ids=LISTS_LEFT)
@pytest.mark.parametrize("again", [0, 1, 2])
def test_what_a_run_was_not_asked_for_stays_in_the_list_of_failures(tmp_path, content, again):
    talks, out = tmp_path / "talks", tmp_path / "out"
    broken_archive(talks, "y.wav")
    archive(talks, "x.wav")
    out.mkdir()
    before = content.format(talks)
    (out / "failed.txt").write_text(before)
    for _ in range(again):
        assert subtitle(talks / "x.wav", "--to", "de", "--out", out) == 0
        assert (out / "failed.txt").read_text() == before
    for _ in range(2):
        assert subtitle(talks / "y.wav", "--to", "de", "--out", out) == 1
        now = (out / "failed.txt").read_text()
        assert now.startswith(before) and now.endswith(f"{talks / 'y.wav'}\n")
        assert now.count("y.wav") == 2
    talk(talks / "y.wav")
    assert subtitle(talks / "y.wav", "--to", "de", "--out", out) == 0
    assert (out / "failed.txt").read_text() == before


def test_a_file_that_is_no_list_stays_as_it_is(tmp_path, capsys):
    archive(tmp_path, "a.wav")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "failed.txt").write_bytes(b"caf\xe9 \0")
    assert subtitle(tmp_path / "a.wav", "--to", "de", "--out", tmp_path / "out") == 0
    broken(tmp_path / "b.wav")
    assert subtitle(tmp_path / "b.wav", "--to", "de", "--out", tmp_path / "out") == 2
    assert "not UTF-8" in capsys.readouterr().err
    assert (tmp_path / "out" / "failed.txt").read_bytes() == b"caf\xe9 \0"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("at", [1, 2, 3])
def test_ctrl_c_leaves_in_the_list_what_is_not_done(tmp_path, monkeypatch, worked, at):
    talks, out = tmp_path / "talks", tmp_path / "out"
    archive(talks, "a.wav", "b.wav", "c.wav")
    broken(talks / "a.wav")
    out.mkdir()
    (out / "failed.txt").write_text("".join(f"{talks / name}.wav\n" for name in "abc"))
    interrupt(monkeypatch, worked, at)
    assert subtitle(out / "failed.txt", "--to", "de", "--out", out) == 130
    left = {line for line in (out / "failed.txt").read_text().splitlines() if line[0] != "#"}
    undone = [name for name in "abc" if not (out / f"{name}.de.srt").exists()]
    assert left == {str(talks / f"{name}.wav") for name in undone}
    assert len(results(out)) == max(0, at - 2)


class Stopping:
    """A pool that is stopped as that of a cluster is: by an exception, wherever it is."""

    def __init__(self, order, tell, begin):
        self._worker = Worker(order)

    def __call__(self, tasks):
        for task in tasks[:2]:
            yield self._worker(task)
        raise KeyboardInterrupt

    def stop(self):
        raise KeyboardInterrupt


def test_what_waits_for_its_second_try_when_a_cluster_is_left_is_a_failure(tmp_path, monkeypatch):
    archive(tmp_path / "talks", "a.wav", "b.wav", "c.wav")
    broken(tmp_path / "talks" / "a.wav")
    monkeypatch.setattr("alignatt4llm.cli.subtitle.Here", Stopping)
    out = tmp_path / "out"
    subtitle(tmp_path / "talks", "--to", "de", "--out", out)
    assert sorted(results(out)) == ["b.de.srt"]
    assert (out / "failed.txt").read_text().splitlines()[1] == str(tmp_path / "talks" / "a.wav")
