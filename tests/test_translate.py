"""The whole command on real audio, with the models that come in wheels."""

import json
import re
import signal
import subprocess
import sys
import time
import wave
from copy import copy
from io import BytesIO, TextIOWrapper
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tiny import save_checkpoint

from alignatt4llm import interpreter
from alignatt4llm.audio.decode import read
from alignatt4llm.cli.main import main
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.weights import embedded, wheels
from alignatt4llm.weights.embedded import Embedded
from alignatt4llm.weights.wheels import WheelFile

SAMPLES = Path(__file__).parent.parent / "samples"
RECORDING = str(SAMPLES / "fleurs-en-000.ogg")
COMMAND = [sys.executable, "-m", "alignatt4llm.cli.main", "translate", "--model", "embedded"]


@pytest.fixture(scope="session")
def loaded():
    """The embedded models, in memory once."""
    return interpreter.Interpreter()


@pytest.fixture
def ready(loaded, monkeypatch):
    """The command with its models in memory already."""

    def of(system, tell, **_):
        opened = copy(loaded)
        opened.system = system
        return opened

    monkeypatch.setattr(interpreter, "Interpreter", of)


def translate(*arguments):
    return main(["translate", *map(str, arguments)])


def events(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def said(path):
    return "".join(event["text"] for event in events(path) if event["type"] == "commit")


def cues(path):
    blocks = path.read_text("utf-8").removeprefix("WEBVTT\n\n").strip().split("\n\n")
    return [" ".join(block.split("\n")[2:]) for block in blocks]


def write_wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("target", ["de", "zh"])
def test_a_recording_is_translated_into_every_output(tmp_path, capsys, target):
    jsonl, srt, vtt = (tmp_path / f"out.{kind}" for kind in ("jsonl", "srt", "vtt"))
    files = ["--jsonl", jsonl, "--srt", srt, "--vtt", vtt]
    assert translate(RECORDING, "--to", target, "--fast", *files) == 0
    text = said(jsonl)
    assert text and text == capsys.readouterr().out.strip("\n")
    assert cues(srt) == cues(vtt)
    if target == "zh":  # lines may end between two signs
        assert "".join("".join(cues(srt)).split()) == "".join(text.split())
    else:
        assert " ".join(cues(srt)) == text
    *_, end = events(jsonl)
    assert end["type"] == "end"
    assert len(end["units"]) == len(end["delays"]) == len(end["elapsed"])
    assert "".join(end["units"]) == "".join(text.split())
    assert end["delays"] == sorted(end["delays"])
    first = next(event for event in events(jsonl) if event["type"] == "commit")
    assert first["audio_s"] < end["audio_s"] - 1
    assert re.search("[\u4e00-\u9fff]" if target == "zh" else "Jahre", text)


def no_speech(kind, seconds=6):
    if kind == "silence":
        return np.zeros(16_000 * seconds)
    if kind == "noise":
        return np.random.default_rng(0).standard_normal(16_000 * seconds).clip(-4, 4) * 0.05
    time = np.arange(16_000 * seconds) / 16_000
    beat = np.exp(-4 * (time % 0.5))
    chords = [(220, 277.2, 329.6), (196, 246.9, 293.7)]
    tones = [np.select([time % 2 < 1], [c], g) for c, g in zip(*chords, strict=True)]
    return 0.1 * beat * sum(np.sin(2 * np.pi * tone * time) for tone in tones)


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("kind", ["silence", "noise", "music"])
def test_no_speech_gives_no_text(tmp_path, capsys, kind):
    jsonl, srt = tmp_path / "a.jsonl", tmp_path / "a.srt"
    recording = write_wav(tmp_path / "quiet.wav", no_speech(kind))
    assert translate(recording, "--to", "de", "--fast", "--jsonl", jsonl, "--srt", srt) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == "" and "no speech was heard" in shown.err
    assert not said(jsonl) and not srt.read_text()
    assert events(jsonl)[-1]["audio_s"] == 6.0


@pytest.mark.usefixtures("ready")
def test_another_language_than_was_said_is_told(capsys):
    assert translate(SAMPLES / "fleurs-de-003.ogg", "--to", "it", "--fast") == 0
    [told] = [line for line in capsys.readouterr().err.splitlines() if "notice" in line]
    assert "German is spoken, it seems, not English" in told and "--from de" in told


@pytest.mark.usefixtures("ready")
def test_truncated_media_are_translated_as_far_as_they_go(tmp_path, capsys):
    whole = Path(RECORDING).read_bytes()
    broken = tmp_path / "broken.ogg"
    broken.write_bytes(whole[: len(whole) // 2])
    assert translate(broken, "--to", "de", "--fast") == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.ogg", "--to", "de"], "There is no file 'missing.ogg'"),
        (["{tmp}", "--to", "de"], "is a folder; give one audio or video file"),
        (["{tmp}/text.ogg", "--to", "de"], "cannot be read as audio or video"),
        (["{tmp}/empty.wav", "--to", "de", "--fast"], "empty.wav' holds no audio"),
        (["{tmp}/nothing.wav", "--to", "de"], "is an empty file; it holds no audio"),
        ([RECORDING, "--to", "tlh"], "Known languages: en (English), de (German)"),
        (
            [RECORDING, "--to", "cs"],
            "'alignatt heads calibrate --model MODEL --pair en-cs",
        ),
        ([RECORDING, "--to", "de", "--srt", "/nowhere/a.srt"], "cannot be written"),
        ([RECORDING, "--to", "de", "--heads", "none.json"], "none.json"),
        ([RECORDING, "--to", "de", "--prompt", "chat"], "no chat template; use --prompt few-shot"),
    ],
)
def test_bad_input_gets_a_sentence_and_an_exit_code(tmp_path, capsys, arguments, sentence):
    (tmp_path / "text.ogg").write_text("this is not a recording")
    (tmp_path / "nothing.wav").touch()
    write_wav(tmp_path / "empty.wav", np.zeros(0))
    assert translate(*(argument.format(tmp=tmp_path) for argument in arguments)) != 0
    assert_one_sentence(capsys.readouterr().err, sentence)


def assert_one_sentence(error, sentence):
    *_, last = error.splitlines()
    assert last.startswith("alignatt: error: ") and sentence in last
    assert "Traceback" not in error


def test_models_that_are_not_installed_name_what_installs_them(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ALIGNATT_CACHE", str(tmp_path))
    monkeypatch.setattr(wheels, "_locate", lambda part: None)
    assert translate(RECORDING, "--to", "de") == 1
    assert_one_sentence(capsys.readouterr().err, "pip install 'alignatt4llm[embedded]'")


def test_weights_that_are_not_what_they_should_be_are_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ALIGNATT_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "some_weights" / "data").mkdir(parents=True)
    (tmp_path / "some_weights" / "data" / "a").write_bytes(b"tampered with")
    file = WheelFile("model.gguf", "0" * 64, ("some_weights/data/a",))
    model = Embedded("embedded", "llm", "Mine", "gemma-3-270m", "MIT", "here", "embedded", (file,))
    monkeypatch.setattr(embedded, "EMBEDDED", (model,))
    assert translate(RECORDING, "--to", "de", "--model", "embedded") == 1
    assert_one_sentence(capsys.readouterr().err, "model.gguf is not the file it should be")


def test_a_context_too_small_for_the_prompt_is_told(tmp_path, capsys):
    folder, heads = tmp_path / "tiny", tmp_path / "heads.json"
    save_checkpoint(folder, "llama", max_position_embeddings=64)
    HeadSet("tiny", "en-de", ((0, 0),)).save(heads)
    jsonl = tmp_path / "a.jsonl"
    model = ["--model", folder, "--heads", heads, "--prompt", "few-shot", "--jsonl", jsonl]
    assert translate(RECORDING, "--to", "de", "--fast", *model) == 1
    assert_one_sentence(capsys.readouterr().err, "context is 64; use a model with a longer one")
    assert events(jsonl)[0]["type"] == "source"


@pytest.mark.usefixtures("ready")
def test_an_output_that_cannot_be_written_stops_before_anything_is_translated(tmp_path, capsys):
    jsonl = tmp_path / "a.jsonl"
    assert translate(RECORDING, "--to", "de", "--jsonl", jsonl, "--vtt", tmp_path) == 2
    assert_one_sentence(capsys.readouterr().err, "cannot be written")
    assert not jsonl.exists()


def test_ctrl_c_leaves_what_was_said_in_every_output(tmp_path):
    jsonl, srt = tmp_path / "a.jsonl", tmp_path / "a.srt"
    recording = str(SAMPLES / "lj001.ogg")
    process = subprocess.Popen(
        [*COMMAND, recording, "--to", "de", "--realtime", "--jsonl", jsonl, "--srt", srt],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (jsonl.exists() and said(jsonl)):
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert said(jsonl) and out.strip() == said(jsonl)
    assert " ".join(cues(srt)) == said(jsonl)
    assert events(jsonl)[-1]["type"] == "end"
    assert "Traceback" not in error


def test_raw_audio_comes_through_a_pipe():
    samples = np.concatenate(list(read(RECORDING)))[: 16_000 * 5]
    raw = (samples * 32767).astype("<i2").tobytes()
    done = subprocess.run(
        [*COMMAND, "-", "--to", "de", "--fast"], check=False, input=raw, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.decode().split()) > 3


@pytest.mark.usefixtures("ready")
def test_an_empty_pipe_holds_no_audio(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO()))
    assert translate("-", "--to", "de", "--fast") == 1
    assert_one_sentence(capsys.readouterr().err, "Standard input holds no audio.")


@pytest.mark.usefixtures("ready")
def test_the_trace_says_why(capsys):
    assert translate(RECORDING, "--to", "de", "--fast", "--trace") == 0
    text = capsys.readouterr().out
    held = re.findall(r"<- (\S*) +accessible \d\.\d\d inaccessible \d\.\d\d  (\w+)", text)
    assert {reason for _, reason in held} >= {"accepted", "peak_inaccessible"}
    assert any(word for word, _ in held)


def spans_without_a_commit(heard):
    """Seconds of audio between two commits while the source grew."""
    last, grew = 0.0, False
    for event in heard:
        grew |= event["type"] == "source" and bool(event["committed"])
        if event["type"] == "commit":
            if grew:
                yield event["audio_s"] - last
            last, grew = event["audio_s"], False


@pytest.mark.slow
@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("target", ["de", "it", "zh"])
def test_a_long_recording_flows_to_its_end(tmp_path, target):
    jsonl = tmp_path / "a.jsonl"
    recording = SAMPLES / "lj001.ogg"
    assert translate(recording, "--to", target, "--fast", "--jsonl", jsonl) == 0
    heard = events(jsonl)
    end = heard[-1]
    assert end["type"] == "end" and end["audio_s"] > 220
    assert max(spans_without_a_commit(heard)) < 15
    closes = [event for event in heard if event["type"] == "close"]
    assert [close["utterance"] for close in closes] == list(range(len(closes)))
    assert all(after["start"] >= before["end"] - 1e-3 for before, after in pairwise(closes))
    joint = "" if target == "zh" else " "
    assert said(jsonl) == joint.join(close["target"] for close in closes if close["target"])
    assert max(len(event["committed"]) for event in heard if event["type"] == "source") <= 48


TARGETS = ("de", "it", "zh")


@pytest.fixture
def heard(monkeypatch):
    """The samples that recognisers are given."""
    counted, hear = [], Interpreter.hear

    def counting(self, *asked):
        recognizer = hear(self, *asked)
        feed = recognizer.feed
        recognizer.feed = lambda samples: (counted.append(len(samples)), feed(samples))[1]
        return recognizer

    monkeypatch.setattr(Interpreter, "hear", counting)
    return counted


def at_once(folder, *options):
    """Translate into three languages; return the events, and the folder's files by name."""
    files = ["--jsonl", folder / "all.jsonl", "--txt", folder / "all.txt"]
    assert translate(RECORDING, "--to", *TARGETS, "--fast", *options, *files) == 0
    return events(folder / "all.jsonl")


def of(code, every):
    return [event for event in every if event.get("to") == code and event["type"] != "source"]


@pytest.mark.usefixtures("ready")
def test_three_targets_hear_the_recording_once(tmp_path, heard):
    every = at_once(tmp_path)
    assert sum(heard) == sum(map(len, read(RECORDING)))
    sources = set()
    for code in TARGETS:
        *rest, end = of(code, every)
        text = "".join(event["text"] for event in rest if event["type"] == "commit")
        assert end["type"] == "end" and "".join(end["units"]) == "".join(text.split())
        assert "".join((tmp_path / f"all.{code}.txt").read_text("utf-8").split()) == "".join(
            text.split()
        )
        sources.add(" ".join(event["source"] for event in rest if event["type"] == "close"))
    assert len(sources) == 1
    assert re.search("Jahre", (tmp_path / "all.de.txt").read_text("utf-8"))


@pytest.mark.slow
def test_three_targets_at_once_say_what_each_says_alone(tmp_path, monkeypatch, loaded):
    """Word for word, though they share passes, where a batch does not round differently."""
    torch = pytest.importorskip("torch")
    from alignatt4llm.translators.transformers import TransformersTranslator

    exact = copy(interpreter.Interpreter(interpreter.System("embedded", engine="transformers")))
    exact.translator = TransformersTranslator(exact.location, threads=1, dtype=torch.float32)
    monkeypatch.setattr(interpreter, "Interpreter", lambda *_, **__: exact)
    options = ["--model", "embedded", "--engine", "transformers"]
    every = at_once(tmp_path, *options)
    for code in TARGETS:
        lone = tmp_path / f"{code}.jsonl"
        assert translate(RECORDING, "--to", code, "--fast", *options, "--jsonl", lone) == 0
        alone = of(code, events(lone))
        kinds = ("commit", "close")
        told = [
            [
                {key: value for key, value in e.items() if key != "wall_s"}
                for e in some
                if e["type"] in kinds
            ]
            for some in (of(code, every), alone)
        ]
        assert told[0] == told[1] and told[0]
