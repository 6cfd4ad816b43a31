"""Small archives of tones, and the command that subtitles them without models."""

import json
import os
import signal
import threading
import time
import wave
from pathlib import Path

from alignatt4llm.archive.work import Worker
from alignatt4llm.cli.main import main
from alignatt4llm.recognizers.tones import SCRIPT, tones

NAMES = ["a.wav", "b c/a.wav", "b c/d.wav", "é/ü.wav"]
ALL = ["a", "b c/a", "b c/d", "é/ü"]
KILLED = Path(__file__).parent / "killed.py"
SCRIPTED = ["--model", "scripted", "--engine", "scripted", "--recognizer", "scripted"]


def write_wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def talk(path, words=range(8)):
    """Write a recording that says some words of the script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_wav(path, tones(words))


def archive(folder, *names):
    """Write a recording of each name, no two of which say the same."""
    for number, name in enumerate(names):
        talk(folder / name, range(number, number + 6))
    return folder


def subtitle(*arguments):
    return main(["subtitle", *map(str, arguments), *SCRIPTED])


def results(out):
    """Return what was written, by its path, without what the command keeps for itself."""
    return {
        os.fspath(path.relative_to(out)): path.read_text("utf-8")
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".alignatt" not in path.parts and path.name != "failed.txt"
    }


def done(out):
    """Return the lines of the record."""
    path = out / ".alignatt" / "done.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def said(words):
    return " ".join(SCRIPT[word] for word in words).upper()


def text(subtitles):
    """Return what subtitles say, on one line."""
    lines = [line for line in subtitles.split("\n") if line and "-->" not in line]
    return " ".join(line for line in lines if not line.isdecimal())


def times(path):
    return Path(path).stat().st_mtime_ns


def broken(path):
    path.write_bytes(b"no media" * 100)


def interrupt(monkeypatch, worked, number):
    """Press Ctrl-C in the work of the n-th recording."""
    subtitled = Worker._subtitled

    def interrupted(worker, task):
        if len(worked) == number:
            threading.Timer(0.0, os.kill, (os.getpid(), signal.SIGINT)).start()
            while not worker._stopped:
                time.sleep(0.001)
        return subtitled(worker, task)

    monkeypatch.setattr(Worker, "_subtitled", interrupted)
