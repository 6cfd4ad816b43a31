"""What commands say while they work: lines, or a bar in a terminal."""

import io
from types import SimpleNamespace

import pytest

from alignatt4llm.calibrate.gather import with_progress
from alignatt4llm.cli.report import _Report
from alignatt4llm.errors import Advance


def steps(count):
    return [Advance(f"{n} of {count}", n / count) for n in range(1, count + 1)]


@pytest.fixture
def terminal(monkeypatch):
    """Standard error, which says that it is a terminal; returns what was written."""
    written = io.StringIO()
    written.isatty = lambda: True
    monkeypatch.setattr("alignatt4llm.cli.report.sys", SimpleNamespace(stderr=written))
    return written


def test_long_work_is_a_line_now_and_then_and_one_at_its_end(capsys):
    tell = _Report()
    tell("Begun")
    for step in steps(50):
        tell(step)
    tell("Next")
    for step in steps(3):
        tell(step)
    said = capsys.readouterr().err.splitlines()
    assert said == ["Begun", "1 of 50", "50 of 50", "Next", "1 of 3", "3 of 3"]


def test_long_work_is_a_bar_in_a_terminal(terminal):
    tell = _Report()
    for step in steps(4):
        tell(step)
    tell("Done")
    said = terminal.getvalue()
    lines = said.split("\r\x1b[K")
    assert lines[0] == "" and lines[-1] == "4 of 4\nDone\n"
    assert [line.count("█") for line in lines[1:-1]] == [8, 15, 22]
    assert all(line.count("█") + line.count("░") == 30 for line in lines[1:-1])


def test_what_comes_after_a_bar_takes_its_place(terminal):
    tell = _Report()
    tell(steps(4)[0])
    tell("Interrupted.")
    tell("Bye.")
    assert terminal.getvalue().endswith("1 of 4\r\x1b[KInterrupted.\nBye.\n")


def test_progress_says_how_much_is_done():
    told = []
    assert list(with_progress(["a", "b", "c"], told.append)) == ["a", "b", "c"]
    assert told[-1] == "3 of 3 sentences, 0 s left" and told[-1].share == 1
