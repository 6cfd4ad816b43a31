"""Every block of Python in README.md and docs/ runs as it stands, unless it is a fragment.

A block below the comment ``<!-- fragment -->`` is a part of something; others test those.
"""

import doctest
import re
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest
from serve_harness import serving
from sounds import write

import alignatt4llm
from alignatt4llm.recognizers.tones import tones
from alignatt4llm.scripted import ScriptedInterpreter

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
BLOCK = re.compile(
    r"(?P<mark><!-- fragment -->\s+)?^(?P<fence> *)```python\b[^\n]*\n(?P<code>.*?)^(?P=fence)```$",
    re.M | re.S,
)
SERVER = "localhost:8765"


def found():
    """Return (name, text, whether it is a fragment) for every block."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in BLOCK.finditer(text):
            line = text[: block.start("fence")].count("\n") + 1
            yield f"{page.relative_to(ROOT)}:{line}", dedent(block["code"]), bool(block["mark"])


BLOCKS = [pytest.param(code, id=name) for name, code, fragment in found() if not fragment]


@pytest.fixture
def beside_talks(tmp_path, monkeypatch):
    """A folder with the recordings that blocks name, and an interpreter without models."""
    for form in ("mp3", "mp4", "ogg"):
        write(str(tmp_path / f"talk.{form}"), tones(range(10)), form)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("alignatt4llm.interpreter.Interpreter", lambda *_, **__: scripted())
    return tmp_path


scripted = ScriptedInterpreter


@pytest.mark.parametrize("code", BLOCKS)
def test_a_block_runs(code, beside_talks, capsys):
    if SERVER in code:
        with serving(beside_talks / "server") as server:
            run(code.replace(SERVER, f"localhost:{server.port}"))
    else:
        run(code)
    assert capsys.readouterr().out.strip() or "print" not in code


def run(code):
    exec(compile(code, "<block>", "exec"), {"__name__": "__main__"})


def shown():
    """The examples of everything public, by name."""
    finder = doctest.DocTestFinder(recurse=True)
    for name in alignatt4llm.__all__:
        thing = getattr(alignatt4llm, name)
        for test in finder.find(thing, name) if hasattr(thing, "__module__") else []:
            if test.examples:
                yield pytest.param("".join(one.source for one in test.examples), id=test.name)


@pytest.mark.parametrize("code", list(shown()))
def test_what_docstrings_show_runs(code, beside_talks, monkeypatch):
    names = {name: getattr(alignatt4llm, name) for name in alignatt4llm.__all__}
    monkeypatch.setattr("alignatt4llm.audio.decode.microphone", lambda *_: iter(()))
    names["interpreter"] = scripted()
    names["blocks_of_int16"] = names["websocket"] = SimpleNamespace(iter_bytes=list)
    with names["interpreter"].open("en-de") as names["session"]:
        exec(compile(code, "<docstring>", "exec"), names)


def test_every_block_is_found():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    assert text.count("```python") == len(list(found())) > len(BLOCKS) > 0
