"""Audio in: real files, damaged files, pipes, and blocks regrouped."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignatt4llm.audio.decode import AudioSource, chunks, raw, read
from alignatt4llm.errors import AlignattError

SAMPLES = Path(__file__).parent.parent / "samples"


def write_wav(path: Path, samples: np.ndarray, rate: int, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def test_sample_decodes_to_16_khz_mono() -> None:
    source = AudioSource(str(SAMPLES / "fleurs-en-000.ogg"))
    audio = np.concatenate(list(source))
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    assert len(audio) / 16_000 == pytest.approx(source.duration, abs=0.05)
    assert 0.01 < np.abs(audio).max() <= 1
    assert source.notices == []


def test_resampling_keeps_every_sample_and_the_level(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(3 * 44_100) / 44_100)
    stereo = np.stack([tone, tone], axis=1)
    path = write_wav(tmp_path / "tone.wav", stereo, 44_100, channels=2)
    audio = np.concatenate(list(read(str(path))))
    assert len(audio) == 48_000
    assert np.sqrt(np.mean(audio**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)  # of a sine


def test_audio_without_samples_yields_nothing(tmp_path: Path) -> None:
    assert list(read(str(write_wav(tmp_path / "none.wav", np.zeros(0), 16_000)))) == []


@pytest.mark.parametrize("size", [30_000, 200_001])
def test_truncated_media_yields_what_there_is(tmp_path: Path, size: int) -> None:
    path = tmp_path / "short.ogg"
    path.write_bytes((SAMPLES / "lj001.ogg").read_bytes()[:size])
    seconds = sum(map(len, read(str(path)))) / 16_000
    assert 0.5 * size / 4021 < seconds < 1.2 * size / 4021


def test_damaged_media_is_read_on(tmp_path: Path) -> None:
    data = bytearray((SAMPLES / "lj001.ogg").read_bytes())
    data[200_000:204_000] = b"\xff" * 4_000
    path = tmp_path / "damaged.ogg"
    path.write_bytes(data)
    assert sum(map(len, read(str(path)))) / 16_000 > 215


def test_damaged_packets_are_told(tmp_path: Path) -> None:
    import av

    path = tmp_path / "broken.mp3"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mp3", rate=16_000, layout="mono")
        frame = av.AudioFrame(format="s16p", layout="mono", samples=32_000)
        frame.rate = 16_000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] + bytes(range(256)) * 4 + data[half:])
    source = AudioSource(str(path))
    assert sum(map(len, source)) > 16_000
    assert all(notice.kind == "damaged" for notice in source.notices)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.wav", None, "no file"),
        ("empty.wav", b"", "empty"),
        ("notes.md", b"# not media\n" * 50, "cannot be read|no sound"),
        ("data.json", b'{"a": 1}', "cannot be read|no sound"),
    ],
)
def test_what_is_not_audio_is_told(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AlignattError, match=said):
        read(str(path))


def test_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(AlignattError, match="folder"):
        read(str(tmp_path))


class Trickle(io.BytesIO):
    """A pipe that gives a few bytes at a time."""

    def read1(self, size: int | None = -1) -> bytes:
        return self.read(3)


def test_raw_pipe_carries_the_odd_byte() -> None:
    values = np.array([0, 1, -32768, 32767, -5], "<i2")
    heard = np.concatenate(list(raw(Trickle(values.tobytes() + b"\x01"))))
    assert heard.dtype == np.float32
    np.testing.assert_array_equal(heard, values / np.float32(32768))


def test_standard_input_is_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.BytesIO(np.full(1000, 16_384, "<i2").tobytes())
    monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": pipe}))
    assert np.concatenate(list(read("-"))).tolist() == [0.5] * 1000


@given(st.lists(st.integers(0, 50)), st.integers(1, 40))
def test_chunks_are_exact_and_lose_nothing(lengths: list[int], size: int) -> None:
    audio = np.arange(sum(lengths), dtype=np.float32)
    blocks = np.split(audio, np.cumsum(lengths)[:-1]) if lengths else []
    pieces = list(chunks(blocks, size))
    assert all(len(piece) == size for piece in pieces[:-1])
    assert all(0 < len(piece) <= size for piece in pieces[-1:])
    np.testing.assert_array_equal(np.concatenate([*pieces, audio[:0]]), audio)
