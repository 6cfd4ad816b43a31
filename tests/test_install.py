"""What is missing is named with the command that installs it here, and doctor can run it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from alignatt4llm import errors
from alignatt4llm.cli import doctor, main, mending
from alignatt4llm.errors import AlignattError, extra, install, installer, with_extra
from alignatt4llm.translators.base import Asked
from alignatt4llm.translators.table import load_translator
from alignatt4llm.weights import wheels

BESIDE = str(Path(sys.executable).parent / "pip")
PYTHON = sys.executable
SERVE = "alignatt4llm[serve]" if os.name == "nt" else "'alignatt4llm[serve]'"
WAYS = [
    # what lies in the environment, whether there is pip in it, the pip that is found first, what
    # is typed before the packages
    ("", True, BESIDE, "pip install"),
    ("", True, "/usr/bin/pip", f"{PYTHON} -m pip install"),
    ("", True, None, f"{PYTHON} -m pip install"),
    ("", False, None, f"uv pip install --python {PYTHON}"),
    ("", False, "/usr/bin/pip", f"uv pip install --python {PYTHON}"),
    ("uv-receipt.toml", False, None, f"uv pip install --python {PYTHON}"),
    ("pipx_metadata.json", False, None, "pipx runpip alignatt4llm-2 install"),
    ("pipx_metadata.json", True, BESIDE, "pipx runpip alignatt4llm-2 install"),
]


@pytest.mark.parametrize(("lies", "pip", "first", "typed"), WAYS)
def test_the_command_installs_beside_this_program(tmp_path, monkeypatch, lies, pip, first, typed):
    place = tmp_path / "alignatt4llm-2"
    place.mkdir()
    (place / (lies or "pyvenv.cfg")).touch()
    monkeypatch.setattr(errors.sys, "prefix", str(place))
    monkeypatch.setattr(errors, "find_spec", lambda name: pip or None)
    monkeypatch.setattr(errors, "which", lambda name: first)
    assert install(with_extra("serve")) == f"{typed} {SERVE}"


REQUIREMENTS = [
    ["alignatt4llm[serve]"],
    ["alignatt4llm[transformers,whisper]"],
    ["--force-reinstall", "--no-deps", "some-data"],
    ["xllamacpp==2026.1.1"],
    ["/a folder/alignatt4llm-0.2.0-py3-none-any.whl[serve]"],
]


@pytest.mark.skipif(os.name == "nt", reason="Windows joins words in another way")
@pytest.mark.parametrize("words", REQUIREMENTS)
def test_what_is_typed_is_what_is_run(monkeypatch, words):
    monkeypatch.setattr(errors, "which", lambda name: None)
    assert shlex.split(install(*words)) == installer(*words)
    assert installer(*words)[-len(words) :] == words


def test_windows_knows_no_single_quotes(monkeypatch):
    monkeypatch.setattr(errors.os, "name", "nt")
    monkeypatch.setattr(errors, "installer", lambda *words: ["pip", *words])
    assert install("alignatt4llm[serve]", "a b") == 'pip alignatt4llm[serve] "a b"'


def test_an_import_that_fails_tells_the_command(monkeypatch):
    monkeypatch.setattr(errors, "which", lambda name: BESIDE)
    with pytest.raises(AlignattError) as caught, extra("serve", "Serving"):
        import no_such_package.inside  # noqa: F401
    assert str(caught.value) == (
        f"Serving needs the package no_such_package, which is not installed; pip install {SERVE}."
    )


def test_nothing_else_in_the_package_writes_the_command():
    package = Path(errors.__file__).parent
    again = [
        path.relative_to(package)
        for path in package.rglob("*.py")
        if "pip install" in path.read_text("utf-8")
    ]
    assert again == []


@pytest.mark.parametrize(
    ("model", "engine", "there", "extras"),
    [
        ("embedded", "llama.cpp", False, "embedded,llamacpp"),
        ("embedded-large", "llama.cpp", False, "embedded-large,llamacpp"),
        ("gemma-3-270m", "transformers", False, "embedded,transformers"),
        ("embedded", "llama.cpp", True, "llamacpp"),
        ("a folder", "llama.cpp", False, "llamacpp"),
        ("a folder", "vllm", False, "vllm"),
    ],
)
def test_one_command_brings_the_engine_and_the_model(
    monkeypatch, tmp_path, model, engine, there, extras
):
    monkeypatch.setenv("ALIGNATT_CACHE", str(tmp_path))
    monkeypatch.setattr(wheels, "_locate", lambda part: tmp_path if there else None)
    for package in ("torch", "vllm", "xllamacpp", "llama_cpp"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(AlignattError) as caught:
        load_translator(engine, Asked(model))
    assert with_extra(extras) in str(caught.value)


class Calls(list):
    """Stands for running programs: notes each, and ends with one code after the other."""

    def __init__(self, *codes):
        self.codes = list(codes)

    def __call__(self, command, check):
        self.append(command)
        return subprocess.CompletedProcess(command, self.codes.pop(0))


@pytest.fixture
def without_whisper(monkeypatch):
    monkeypatch.setattr(doctor, "_packages", lambda: ["whisper", "transformers"])
    monkeypatch.setattr(doctor, "_models", lambda: [])


def fix(monkeypatch, calls, *options, typed=None):
    """Run ``doctor --fix``; ``typed`` is the answer in a terminal, None for no terminal."""
    monkeypatch.setattr(mending.subprocess, "run", calls)
    monkeypatch.setattr(mending.sys.stdin, "isatty", lambda: typed is not None)
    monkeypatch.setattr("builtins.input", lambda prompt: typed)
    return main.main(["doctor", "--fix", *options])


@pytest.mark.usefixtures("without_whisper")
@pytest.mark.parametrize(
    ("options", "typed"), [(["--yes"], None), ([], "y"), ([], "YES "), (["--yes"], "n")]
)
def test_what_is_missing_is_installed_when_agreed(monkeypatch, capsys, options, typed):
    calls = Calls(0, 0)
    assert fix(monkeypatch, calls, *options, typed=typed) == 0
    assert calls[0] == installer("alignatt4llm[whisper]")
    assert calls[1][-1] == "doctor"
    told = capsys.readouterr()
    assert f"to do: {install('alignatt4llm[whisper]')}" in told.out


@pytest.mark.usefixtures("without_whisper")
@pytest.mark.parametrize("typed", ["", "n", "no", "what?"])
def test_nothing_is_installed_otherwise(monkeypatch, typed):
    calls = Calls()
    assert fix(monkeypatch, calls, typed=typed) == 1
    assert calls == []


@pytest.mark.usefixtures("without_whisper")
def test_nobody_to_ask_is_told(monkeypatch, capsys):
    assert fix(monkeypatch, Calls()) == 2
    assert "--fix --yes installs without asking" in capsys.readouterr().err


@pytest.mark.usefixtures("without_whisper")
def test_what_cannot_be_installed_is_told(monkeypatch, capsys):
    assert fix(monkeypatch, Calls(3), "--yes") == 1
    assert "ended with 3; what it said is above." in capsys.readouterr().err


@pytest.mark.usefixtures("without_whisper")
def test_an_installer_that_is_not_there_is_told(monkeypatch, capsys):
    monkeypatch.setattr(mending, "installer", lambda *words: ["no-such-uv", *words])
    assert fix(monkeypatch, subprocess.run, "--yes") == 1
    assert "'no-such-uv' does not start" in capsys.readouterr().err


@pytest.mark.usefixtures("without_whisper")
def test_where_nothing_is_missing_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(doctor, "_packages", lambda: ["transformers"])
    assert fix(monkeypatch, Calls()) == 0


def test_an_answer_without_a_question_is_refused(capsys):
    assert main.main(["doctor", "--yes"]) == 2
    assert "give both" in capsys.readouterr().err
