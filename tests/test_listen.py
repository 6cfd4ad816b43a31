"""The microphone, played by a stand-in for sounddevice."""

import json
import os
import signal
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.audio.microphone import microphone
from alignatt4llm.cli.main import main
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.recognizers.tones import SCRIPT, tones
from alignatt4llm.schedule.feeder import REGIMES
from alignatt4llm.scripted import ScriptedInterpreter


class PortAudioError(Exception):
    pass


class Microphone:
    """Delivers audio in blocks from a thread of its own, as PortAudio does."""

    audio = np.zeros(0, np.int16)
    when_over = staticmethod(lambda: None)

    def __init__(self, device, callback, samplerate, channels, dtype, blocksize):
        assert (channels, dtype) == (1, "int16")
        self.callback, self.blocksize = callback, blocksize
        self.thread = threading.Thread(target=self.play)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.thread.join()

    def play(self):
        for start in range(0, len(self.audio), self.blocksize):
            block = self.audio[start : start + self.blocksize]
            self.callback(block[:, None], len(block), None, None)
        self.when_over()


def query_devices(device=None, kind=None):
    found = {"name": "USB", "max_input_channels": 1, "default_samplerate": 48_000.0}
    speaker = {"name": "Speaker", "max_input_channels": 0}
    if kind is None:
        return [speaker, found]
    if device not in (None, 1, "USB"):
        raise ValueError("no such device")
    return found


@pytest.fixture
def sounddevice(monkeypatch):
    audio = np.repeat(tones(range(12)), 3)
    monkeypatch.setattr(Microphone, "audio", (audio * 32767).astype(np.int16))
    fake = SimpleNamespace(
        InputStream=Microphone, query_devices=query_devices, PortAudioError=PortAudioError
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_a_microphone_of_any_rate_is_heard_at_16_khz(sounddevice):
    heard = microphone(threading.Event(), "USB")
    wanted = tones(range(12))
    samples: list[float] = []
    while len(samples) < len(wanted) - 1600:
        samples.extend(next(heard))
    heard.close()
    assert np.abs(np.array(samples) - wanted[: len(samples)]).mean() < 0.02


@pytest.mark.parametrize("device", [1, "1", np.int64(1), "USB"])
def test_a_microphone_is_known_by_its_number_or_name(sounddevice, device):
    assert AudioSource.microphone(device).live


@pytest.mark.parametrize("device", [9, -1, 0.5, "cellar"])
def test_a_microphone_that_is_not_there_is_named(sounddevice, device):
    with pytest.raises(UsageError, match=f"no microphone '{device}'; inputs are: "):
        AudioSource.microphone(device)


@pytest.mark.parametrize("schedule", sorted(REGIMES))
def test_listening_ends_with_ctrl_c_and_the_last_words_are_said(
    sounddevice, monkeypatch, capsys, tmp_path, schedule
):
    monkeypatch.setattr("alignatt4llm.interpreter.Interpreter", lambda *_, **__: Opened())
    monkeypatch.setattr(Microphone, "when_over", staticmethod(interrupt))
    files = {name: tmp_path / f"talk.{name}" for name in ("jsonl", "srt", "txt")}
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    assert main(["listen", "--to", "de", "--schedule", schedule, *options]) == 0
    everything = " ".join(SCRIPT[:12]).upper()
    assert capsys.readouterr().out.strip() == everything
    events = [json.loads(line) for line in files["jsonl"].read_text("utf-8").splitlines()]
    assert "".join(e["text"] for e in events if e["type"] == "commit") == everything
    assert events[-1]["type"] == "end"
    assert " ".join(files["txt"].read_text("utf-8").split()) == everything
    assert SCRIPT[11].upper() in files["srt"].read_text("utf-8")


class Opened(ScriptedInterpreter):
    def open(self, pair, latency, **_):
        return super().open(pair, latency)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_devices_are_listed_and_unknown_ones_named(sounddevice, capsys):
    assert main(["listen", "--to", "de", "--device", "list"]) == 0
    assert capsys.readouterr().out == "1 USB\n"
    with pytest.raises(UsageError, match="There is no microphone 'Bluetooth'; inputs are: 1 USB"):
        next(microphone(threading.Event(), "Bluetooth"))


def test_without_sounddevice_or_portaudio_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AlignattError, match=r"alignatt4llm\[listen\]"):
        next(microphone(threading.Event()))
