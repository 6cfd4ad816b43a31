"""The whole command on real audio, with the models that come in wheels."""

import json
import re
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from alignatt4llm.cli.main import main

SAMPLES = Path(__file__).parent.parent / "samples"
COMMAND = [sys.executable, "-m", "alignatt4llm.cli.main", "translate"]


def events(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def said(path):
    return "".join(event["text"] for event in events(path) if event["type"] == "commit")


def cues(path):
    blocks = path.read_text("utf-8").removeprefix("WEBVTT\n\n").strip().split("\n\n")
    return ["\n".join(block.split("\n")[2:]) for block in blocks]


def write_wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("target", ["de", "zh"])
def test_a_recording_is_translated_into_every_output(tmp_path, capsys, target):
    jsonl, srt, vtt = (tmp_path / f"out.{kind}" for kind in ("jsonl", "srt", "vtt"))
    files = ["--jsonl", str(jsonl), "--srt", str(srt), "--vtt", str(vtt)]
    recording = str(SAMPLES / "fleurs-en-000.ogg")
    assert main(["translate", recording, "--to", target, "--fast", *files]) == 0
    text = said(jsonl)
    assert text and text == capsys.readouterr().out.strip("\n")
    joint = "" if target == "zh" else " "
    assert joint.join(cues(srt)) == joint.join(cues(vtt)) == text
    *_, end = events(jsonl)
    assert end["type"] == "end"
    assert len(end["units"]) == len(end["delays"]) == len(end["elapsed"])
    assert "".join(end["units"]) == "".join(text.split())
    assert end["delays"] == sorted(end["delays"])
    first = next(event for event in events(jsonl) if event["type"] == "commit")
    assert first["audio_s"] < end["audio_s"] - 1
    assert re.search("[\u4e00-\u9fff]" if target == "zh" else "Jahre", text)


@pytest.mark.parametrize("kind", ["silence", "noise"])
def test_no_speech_gives_no_text(tmp_path, capsys, kind):
    loudness = {"silence": 0.0, "noise": 0.05}[kind]
    noise = np.random.default_rng(0).standard_normal(16_000 * 6) * loudness
    recording = write_wav(tmp_path / "quiet.wav", noise.clip(-1, 1))
    assert main(["translate", str(recording), "--to", "it", "--fast"]) == 0
    assert capsys.readouterr().out.strip() == ""


def test_truncated_media_are_translated_as_far_as_they_go(tmp_path, capsys):
    whole = (SAMPLES / "fleurs-en-000.ogg").read_bytes()
    broken = tmp_path / "broken.ogg"
    broken.write_bytes(whole[: len(whole) * 2 // 3])
    assert main(["translate", str(broken), "--to", "de", "--fast"]) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.ogg", "--to", "de"], "There is no file 'missing.ogg'"),
        (["{sample}", "--to", "tlh"], "Known languages: en (English), de (German)"),
        (["{sample}", "--to", "cs"], "Make one with 'alignatt heads calibrate'"),
        (["{sample}", "--to", "de", "--srt", "/nowhere/a.srt"], "cannot be written"),
        (["{text}", "--to", "de"], "cannot be read as audio or video"),
        (["{sample}", "--to", "de", "--heads", "none.json"], "none.json"),
        (["{empty}", "--to", "de", "--fast"], "holds no audio"),
    ],
)
def test_bad_input_gets_a_sentence_and_an_exit_code(tmp_path, capsys, arguments, sentence):
    text = tmp_path / "text.ogg"
    text.write_text("this is not a recording")
    empty = write_wav(tmp_path / "empty.wav", np.zeros(0))
    names = {"sample": SAMPLES / "fleurs-en-000.ogg", "text": text, "empty": empty}
    assert main(["translate", *(argument.format(**names) for argument in arguments)]) != 0
    error = capsys.readouterr().err
    assert sentence in error and "alignatt: error: " in error


def test_an_unwritable_output_loses_none_of_the_others(tmp_path, capsys):
    jsonl = tmp_path / "a.jsonl"
    recording = str(SAMPLES / "fleurs-en-000.ogg")
    arguments = ["--to", "de", "--jsonl", str(jsonl), "--vtt", str(tmp_path)]
    assert main(["translate", recording, *arguments]) != 0
    assert "cannot be written" in capsys.readouterr().err


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


def test_raw_audio_comes_through_a_pipe(tmp_path):
    from alignatt4llm.audio.decode import read

    samples = np.concatenate(list(read(str(SAMPLES / "fleurs-en-000.ogg"))))
    whole = (samples * 32767).astype("<i2").tobytes()
    done = subprocess.run(
        [*COMMAND, "-", "--to", "it", "--fast"], check=False, input=whole, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.decode().split()) > 5
