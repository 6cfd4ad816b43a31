"""The recipes of docs/architecture.md, followed: every part is added to a copy and runs there."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import alignatt4llm

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
SPEECH = ROOT / "samples" / "fleurs-en-000.ogg"
BLOCK = re.compile(r"```python\n(# .*\n(?:.*\n)*?)```")
LINE = re.compile(r"# a line for (\w+) in (\S+)\n")


def recipes():
    """Return the files and the lines of the page: {path: text}, [(path, table, line)]."""
    blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    lines = [(LINE.match(block), block) for block in blocks]
    files = {block.split("\n")[0].removeprefix("# "): block for found, block in lines if not found}
    return files, [(f[2], f[1], block[f.end() :]) for f, block in lines if f]


def with_line(source, table, line):
    """Insert a line at the end of a table: the display that its name is assigned."""
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == table for target in targets):
            shown = node.value
            if isinstance(shown, ast.DictComp):
                shown = shown.generators[0].iter
            rows = source.splitlines(keepends=True)
            rows.insert(shown.end_lineno - 1, line.rstrip(",\n") + ",\n")
            return "".join(rows)
    raise AssertionError(f"there is no table {table}")


def with_imports(source, line, files):
    """Import the classes that a line names from the new files."""
    for path, text in files.items():
        module = "alignatt4llm." + path.removesuffix(".py").replace("/", ".")
        names = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
        for name in names:
            if re.search(rf"\b{name}\(|\({name}\b", line):
                docstring = ast.parse(source).body[0].end_lineno
                rows = source.splitlines(keepends=True)
                rows.insert(docstring, f"from {module} import {name}\n")
                source = "".join(rows)
    return source


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package with every recipe followed; returns the folder it lies in."""
    home = tmp_path_factory.mktemp("followed")
    copy = home / "alignatt4llm"
    shutil.copytree(
        Path(alignatt4llm.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    files, lines = recipes()
    for path, text in files.items():
        assert not (copy / path).exists()
        (copy / path).write_text(text, "utf-8")
    for path, table, line in lines:
        source = (copy / path).read_text("utf-8")
        source = with_imports(with_line(source, table, line), line, files)
        (copy / path).write_text(source, "utf-8")
    return home


@pytest.fixture
def alignatt(package):
    """Run the command of the copy and return what it prints."""

    def run(*arguments):
        environment = {
            **os.environ, "PYTHONPATH": str(package), "COLUMNS": "500", "ALIGNATT_THREADS": "1"
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "alignatt4llm.cli.main", *map(str, arguments)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_page_has_a_recipe_for_every_table():
    files, lines = recipes()
    tables = {table for _, table, _ in lines}
    assert tables == {"ENGINES", "KINDS", "POLICIES", "LANGUAGES", "OUTPUTS", "SINKS"}
    assert len(files) == len(tables) - 1  # a language is a line alone
    assert all(line.count("\n") == 1 for _, _, line in lines)


def test_new_parts_appear_in_help(alignatt):
    translate, evaluate = alignatt("translate", "--help"), alignatt("evaluate", "run", "--help")
    serve = alignatt("serve", "--help")
    for text in (translate, evaluate, serve):
        assert "echo (says every word again)" in text
        assert "metronome" in text
    assert "diary:FILE" in translate and "diary:FILE" in serve
    assert "--lyrics FILE" in translate and "write a line each time" in translate
    assert ", sc" in translate
    assert "half" in evaluate


@pytest.mark.models
def test_the_doctor_lists_new_parts(alignatt):
    text = alignatt("doctor")
    assert "echo: says every word again" in text
    assert "hears seconds being counted" in text
    assert re.search(r"policies .*\bhalf\b", text)
    assert re.search(r"outputs .*\blyrics\b", text)
    assert re.search(r"sinks .*\bdiary\b", text)


def test_a_new_engine_recogniser_output_and_language_translate(alignatt, tmp_path):
    lyrics, diary = tmp_path / "said.txt", tmp_path / "diary.txt"
    alignatt(
        "translate", SPEECH, "--to", "Sardinian", "--engine", "echo", "--recognizer", "metronome",
        "--fast", "--lyrics", lyrics, "--caption-sink", f"diary:{diary}",
    )  # fmt: skip
    said = lyrics.read_text("utf-8").splitlines()
    assert len(said) > 1
    words = [word for line in said for word in line.removeprefix("♪ ").split()]
    assert words == [str(second) for second in range(len(words))]
    noted = [line.split(": ") for line in diary.read_text("utf-8").splitlines()]
    assert [number for number, _ in noted] == [str(n) for n in range(1, len(noted) + 1)]
    assert " ".join(text for _, text in noted).split() == words


def test_a_new_policy_is_evaluated(alignatt, tmp_path):
    data, out = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    (data / "segments.yaml").write_text("- {wav: a.wav, offset: 0.5, duration: 3.0}\n")
    (data / "en.txt").write_text("The house is small and old.\n")
    (data / "sc.txt").write_text("Sa domo est minore e betza.\n")
    alignatt(
        "evaluate", "run", "--data", data, "--pair", "en-sc", "--policy", "half",
        "--model", "echo", "--out", out,
    )  # fmt: skip
    hypothesis = json.loads((out / "hypothesis.jsonl").read_text("utf-8"))
    assert hypothesis["prediction"] == "The house is small and old."
    events = (out / "events" / "a.jsonl").read_text("utf-8")
    assert "second_half" in events
