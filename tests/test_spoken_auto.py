"""``--from auto``: the spoken language is found out once, from the first speech."""

import argparse
import json
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from alignatt4llm.audio.decode import chunks, read
from alignatt4llm.audio.pace import in_real_time
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.cli import spoken
from alignatt4llm.cli.main import main
from alignatt4llm.recognizers.base import Detecting
from alignatt4llm.recognizers.whisper import WhisperEngine
from alignatt4llm.schedule.first_speech import ENOUGH, LATEST, MOST, UNTOLD, FirstSpeech
from alignatt4llm.transcript import Spoken

SAMPLES = Path(__file__).parent.parent / "samples"
SECOND = SAMPLE_RATE


@pytest.fixture(scope="module")
def reading():
    """Forty seconds of continuous reading."""
    return np.concatenate(list(read(str(SAMPLES / "lj001.ogg"))))[: 40 * SECOND]


class Ears:
    """Says what is written down, time after time."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def detect(self, samples):
        self.asked.append(len(samples) / SECOND)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def decided(audio, ears):
    first, blocks = FirstSpeech(), chunks([audio], SECOND)
    first.listen(blocks, ears.detect)
    found = first.spoken and (first.spoken[0].code, first.spoken[1])
    np.testing.assert_array_equal(np.concatenate([audio[:0], *first.replayed(blocks)]), audio)
    return found, sum(map(len, first.heard)) / SECOND


ROWS = [
    # what is told, time after time; what is decided, and how often is asked
    ([Spoken("de", 0.9)], ("de", 0.9), 1),
    ([Spoken("tl", 0.9)], ("fil", 0.9), 1),
    ([Spoken("de", 0.4), Spoken("nl", 0.7)], ("nl", 0.7), 2),
    ([Spoken("de", 0.5), Spoken("nl", 0.4), Spoken("de", 0.6)], ("de", 0.6), 3),
    ([Spoken("de", 0.5), Spoken("nl", 0.3)], ("de", 0.5), MOST // ENOUGH),
    ([Spoken("sw", 0.9)], None, MOST // ENOUGH),  # not in the table
    ([Spoken("no", 0.9), Spoken("da", 0.7)], ("da", 0.7), 2),  # only near one that is
    ([None, Spoken("de", 0.7)], ("de", 0.7), 2),
    ([None], None, MOST // ENOUGH),
]


@pytest.mark.parametrize(("answers", "expected", "times"), ROWS)
def test_the_language_is_decided_from_the_first_speech(reading, answers, expected, times):
    ears = Ears(*answers)
    found, heard = decided(reading, ears)
    assert found == expected
    assert len(ears.asked) == times
    assert ears.asked[0] >= ENOUGH and heard < len(reading) / SECOND


def test_silence_before_the_speech_is_waited_for_and_kept(reading):
    audio = np.concatenate([np.zeros(20 * SECOND, np.float32), reading])
    ears = Ears(Spoken("en", 0.9))
    found, heard = decided(audio, ears)
    assert found == ("en", 0.9) and 20 + ENOUGH < heard < 40
    assert ears.asked[0] < 2 * ENOUGH, "only what is spoken is asked about"


@pytest.mark.parametrize(
    ("audio", "times"),
    [
        (np.zeros(0, np.float32), 0),
        (np.zeros(5 * SECOND, np.float32), 0),
        (np.zeros(round(LATEST + 30) * SECOND, np.float32), 0),
    ],
)
def test_without_speech_nothing_is_decided_nor_waited_for_endlessly(audio, times):
    ears = Ears(Spoken("de", 0.9))
    found, heard = decided(audio, ears)
    assert found is None and len(ears.asked) == times and heard <= LATEST + 1


def test_a_short_recording_is_asked_about_at_its_end(reading):
    ears = Ears(Spoken("en", 0.5))
    assert decided(reading[: 3 * SECOND], ears) == (("en", 0.5), 3.0)
    assert len(ears.asked) == 1


def test_time_that_has_passed_is_caught_up_with():
    pieces = [np.zeros(SECOND, np.float32)] * 3
    began = time.monotonic() - 10
    assert len(list(in_real_time(pieces, began))) == 3
    assert time.monotonic() - began < 12, "nothing was slept for"


# the command


def wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return str(path)


def translated(tmp_path, name, *options):
    out = tmp_path / "out.jsonl"
    code = main(["translate", name, "--fast", "--jsonl", str(out), *options])
    return code, [json.loads(line) for line in out.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("name", "target", "heard"),
    [("fleurs-en-000.ogg", "de", "English"), ("fleurs-de-003.ogg", "en", "German")],
)
def test_whisper_tells_the_language_of_real_speech(
    embedded_whisper, tmp_path, capsys, name, target, heard
):
    assert isinstance(WhisperEngine(embedded_whisper), Detecting)
    sample = str(SAMPLES / name)
    subtitles = tmp_path / "out.srt"
    options = ["--to", target, "--model", "embedded", "--srt", str(subtitles)]
    code, events = translated(tmp_path, sample, "--from", "auto", *options)
    assert code == 0 and "-->" in subtitles.read_text("utf-8")
    [notice] = [
        event for event in events if event["type"] == "notice" and event["kind"] == "spoken"
    ]
    assert notice["text"].startswith(f"{heard} is spoken, it seems")
    assert f"{heard} is spoken, it seems" in capsys.readouterr().err
    assert any(event["type"] == "commit" for event in events)


def test_without_speech_english_is_taken(embedded_whisper, tmp_path):
    silent = wav(tmp_path / "silent.wav", np.zeros(3 * SECOND))
    _, events = translated(tmp_path, silent, "--from", "Auto", "--to", "de", "--model", "embedded")
    assert next(event["kind"] for event in events if event["type"] == "notice") == "spoken"


def test_speech_in_no_language_of_the_table_is_not_called_silence(reading, monkeypatch, tmp_path):
    args = argparse.Namespace(source="auto", to=["de"])
    monkeypatch.setattr(spoken, "_ears", lambda _: Ears(Spoken("cy", 0.95)))
    [notice] = spoken.settled(args, iter([reading])).notices
    assert notice.text == UNTOLD.format("English")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--recognizer", "scripted", "--to", "de"], "'scripted' cannot tell which language"),
        (["--to", "de", "--dry-run"], "Nothing is heard in a dry run"),
        (["--to", "nowhere"], "Unknown language 'nowhere'"),
        (["--to", "en", "--model", "embedded"], "English is what is spoken"),
        (["--to", "de", "--preset", "no"], "no"),
    ],
)
def test_what_cannot_be_found_out_is_refused(capsys, options, told):
    command = ["translate", str(SAMPLES / "fleurs-en-000.ogg"), "--from", "auto", *options]
    try:
        assert main(command) == 2
    except SystemExit as ended:
        assert ended.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]
