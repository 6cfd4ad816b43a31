"""Files with odd names, and media or raw samples on standard input; a row an input."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from odd import odd, one, onsets, tones, wav

from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.errors import UsageError

TIMES = (0.5, 1.5, 2.5)
SPEECH = tones(TIMES, 3)
WAV = wav(tones(TIMES, 3, 16_000), 16_000)

NAMES = [
    "2026-11-28T10:30:00.wav",
    "talk: part 1.wav",
    "file:x.wav",
    "http:talk.wav",
    "a:b://c.wav",
    "concat:one.wav|two.wav",
    "pipe:0",
    "shot%03d.png",
    "100%20.wav",
    "why?.wav",
    "#1.wav",
    "-to.wav",
    "two\nlines.wav",
    " spaces .wav",
    "[1]*.wav",
    "講演.wav",
    'it\'s "so".wav',
    "\\back.wav",
    os.fsdecode(b"latin-\xe9.wav"),
]


def assert_heard(samples: np.ndarray) -> None:
    assert onsets(samples) == pytest.approx(TIMES, abs=0.05)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_file_is_a_file_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, absolute: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(WAV)
    assert_heard(np.concatenate(list(AudioSource(str(tmp_path / name) if absolute else name))))


@pytest.mark.parametrize("name", ["a b.wav", "100%.wav", "#.wav"])
def test_file_addresses_are_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(WAV)
    assert_heard(np.concatenate(list(AudioSource(path.as_uri()))))
    assert_heard(np.concatenate(list(AudioSource(f"file:{path}"))))


def unknown_length(size: bytes) -> bytes:
    """A WAV of a recorder that could not go back to write how long it is."""
    content = bytearray(WAV)
    data = content.index(b"data")
    content[4:8] = content[data + 4 : data + 8] = size
    return bytes(content)


BARE = {"id3v2_version": "0", "write_xing": "0"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
PIPED: dict[str, Callable[[], bytes]] = {
    "raw": lambda: (tones(TIMES, 3, 16_000)[0] * 32767).astype("<i2").tobytes(),
    "WAV": lambda: wav(SPEECH, 48_000),
    "WAV of unknown length": lambda: unknown_length(b"\xff" * 4),
    "WAV of length 0": lambda: unknown_length(b"\0" * 4),
    "WAV of arecord": lambda: unknown_length(b"\0\0\0\x80"),
    "FLAC": lambda: one("flac", "flac", SPEECH, 48_000),
    "Ogg": lambda: one("ogg", "libopus", SPEECH, 48_000),
    "MP3": lambda: one("mp3", "mp3", SPEECH, 48_000),
    "MP3 without a tag": lambda: one("mp3", "mp3", SPEECH, 48_000, options=BARE),
    "AAC": lambda: one("adts", "aac", SPEECH, 48_000),
    "Matroska": lambda: one("matroska", "aac", SPEECH, 48_000),
    "WebM": lambda: one("webm", "libopus", SPEECH, 48_000),
    "MP4 in fragments": lambda: one("mp4", "aac", SPEECH, 48_000, options=FRAGMENTS),
    "transport stream": lambda: one("mpegts", "aac", SPEECH, 48_000),
    "FLV": lambda: one("flv", "aac", tones(TIMES, 3, 44_100), 44_100),
    "AIFF": lambda: one("aiff", "pcm_s16be", SPEECH, 48_000),
    "AU": lambda: one("au", "pcm_s16be", SPEECH, 48_000),
    "AC-3": lambda: one("ac3", "ac3", SPEECH, 48_000),
    "AVI": lambda: one("avi", "pcm_s16le", SPEECH, 48_000),
}
READ = """
import sys, numpy
from alignatt4llm.audio.decode import AudioSource
sys.stdout.buffer.write(numpy.concatenate(list(AudioSource("-"))).tobytes())
"""


@pytest.mark.parametrize("made", PIPED.values(), ids=PIPED)
def test_standard_input_is_media_or_raw(made: Callable[[], bytes]) -> None:
    command = [sys.executable, "-c", READ]
    done = subprocess.run(command, input=made(), capture_output=True, check=False, timeout=60)
    assert not done.returncode, done.stderr.decode()
    assert_heard(np.frombuffer(done.stdout, np.float32))


def test_raw_samples_on_a_pipe_are_heard_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as pipe, os.fdopen(theirs, "wb", 0) as writer:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": pipe}))
        heard = iter(AudioSource("-"))
        for value in (1, -2, 16_384):
            writer.write(np.array([value] * 3, "<i2").tobytes())  # MP4 is marked at the fifth byte
            assert (next(heard) * 32768).tolist() == [value] * 3


def test_a_video_without_sound_is_told(tmp_path: Path) -> None:
    (tmp_path / "silent.mp4").write_bytes(odd("mp4", video=1))
    with pytest.raises(UsageError, match="no sound"):
        AudioSource(str(tmp_path / "silent.mp4"))
