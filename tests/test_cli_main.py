"""The command line: help, errors as sentences, exit codes."""

import argparse
import subprocess
import sys

import pytest

from alignatt4llm.cli import doctor, main
from alignatt4llm.errors import AlignattError, UsageError, install, with_extra
from alignatt4llm.machine.live import Speed
from alignatt4llm.machine.threads import best_threads, candidates, fastest
from alignatt4llm.settings import speeds


def asked(measure):
    return argparse.Namespace(measure=measure, fix=False, yes=False)


def raising(monkeypatch, error):
    def run(_):
        raise error

    monkeypatch.setattr(doctor, "run", run)
    return main.main(["doctor"])


@pytest.mark.parametrize(("error", "code"), [(AlignattError("So."), 1), (UsageError("So."), 2)])
def test_an_error_is_a_sentence_and_an_exit_code(monkeypatch, capsys, error, code):
    assert raising(monkeypatch, error) == code
    assert capsys.readouterr().err == "alignatt: error: So.\n"


def test_interruption(monkeypatch):
    assert raising(monkeypatch, KeyboardInterrupt()) == 130


@pytest.mark.parametrize("arguments", [[], ["nonesuch"], ["models"], ["models", "fetch"]])
def test_incomplete_or_unknown_commands(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main.main(arguments)
    assert caught.value.code == 2
    assert "usage: alignatt" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("alignatt4llm ")


def test_help_names_the_commands_with_examples(capsys):
    with pytest.raises(SystemExit):
        main.main(["--help"])
    text = capsys.readouterr().out
    assert "examples:" in text
    assert "models" in text
    assert "doctor" in text


def test_help_imports_no_model_library():
    code = (
        "import sys; from alignatt4llm.cli.main import parser; parser().format_help();"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'ctranslate2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -m alignatt4llm.cli.main models list | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_models_list(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    assert main.main(["models", "list"]) == 0
    text = capsys.readouterr().out
    assert "Gemma 3 270M" in text
    assert "--recognizer" in text
    assert main.main(["models", "fetch", "nonesuch"]) == 2


@pytest.mark.models
def test_doctor(monkeypatch, capsys):
    monkeypatch.setenv("ALIGNATT_THREADS", "1")
    assert doctor.run(asked(measure=False)) == 0
    text = capsys.readouterr().out
    for subject in ("Python", "torch", "FFmpeg", "CUDA", "CPU threads", "cache", "Whisper base"):
        assert subject in text
    assert "Speech can be translated." in text
    assert "Gemma 3 270M in llama.cpp: not measured" in text


@pytest.mark.models
@pytest.mark.parametrize("fails", [False, True])
def test_doctor_measures_when_asked_and_tells_what_fails(monkeypatch, capsys, fails):
    measured = []

    def measure(model, engine, tell):
        measured.append((model.name, engine))
        if fails:
            raise AlignattError("There is no memory.")
        return Speed(0.07, 0.01)

    monkeypatch.setattr(speeds, "measure", measure)
    assert doctor.run(asked(measure=True)) == 0
    text = capsys.readouterr().out
    told = "There is no memory." if fails else "0.17 s of computing a second of speech"
    assert f"Gemma 3 270M in llama.cpp: {told}" in text
    assert ("embedded", "llama.cpp") in measured


@pytest.mark.models
@pytest.mark.parametrize(
    ("gone", "told"),
    [
        (["xllamacpp", "llama-cpp-python"], None),
        (["torch"], None),
        (["torch", "transformers", "gguf", "accelerate", "safetensors"], None),
        (["faster-whisper"], "whisper"),
        (["torch", "xllamacpp", "llama-cpp-python"], "llamacpp"),
        (["accelerate", "jinja2"], "llamacpp"),
    ],
)
def test_doctor_says_what_to_install(monkeypatch, capsys, gone, told):
    found = doctor.installed
    monkeypatch.setattr(
        doctor, "installed", lambda package: None if package in gone else found(package)
    )
    assert doctor.run(asked(measure=False)) == (1 if told else 0)
    text = capsys.readouterr().out
    if told:
        assert f"to do: {install(with_extra(told))}" in text
        assert "cannot be translated yet" in text
    assert "missing (extra" in text


def test_threads(monkeypatch):
    assert candidates(1) == [1]
    assert candidates(6) == [1, 2, 4]
    assert fastest({1: 10.0, 2: 9.9, 4: 6.0}) == 4
    assert fastest({1: 10.0, 2: 9.9}) == 1
    monkeypatch.setenv("ALIGNATT_THREADS", "3")
    assert best_threads() == 3
    monkeypatch.setenv("ALIGNATT_THREADS", "many")
    with pytest.raises(UsageError, match="whole number"):
        best_threads()
