"""Odd recordings: what is heard, when, and what is told about it. One row an input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from odd import NEAR, RATE, Track, assert_tones, heard, odd, one, series, tones, wav

from alignatt4llm.audio.clock import LONGEST_GAP
from alignatt4llm.errors import UsageError


def kept(first: float, last: float) -> Callable[[float], bool]:
    """Packets are missing from one time to another."""
    return lambda time: not first <= time < last


def moved(after: float, by: float) -> Callable[[float], float]:
    """The clock jumps after a time by some seconds."""
    return lambda time: time + by * (time >= after)


def stereo(sound: np.ndarray) -> np.ndarray:
    return np.concatenate([sound, sound])


@dataclass(frozen=True)
class Row:
    """An odd recording, and where its tones are heard."""

    name: str
    make: Callable[[], bytes]
    times: Sequence[float]
    kinds: Sequence[str] = ()


T = (0.5, 1.5)
"""Where tones are in a piece of two seconds."""
LOW, HIGH = tones(T, 2, 22_050), stereo(tones(T, 2, 48_000))
BOTH = (0.5, 1.5, 2.5, 3.5)
JOINED = (0.5, 1.5, 2.56, 3.56)
"""An encoder's padding and delay are heard where frames of MP3 and AAC are joined."""


def chain(container: str, *kinds: tuple[str, int, int]) -> bytes:
    """Whole recordings one after the other: their codec, rate and channels."""
    pieces = [
        one(container, codec, np.repeat(tones(T, 2, rate), channels, 0), rate)
        for codec, rate, channels in kinds
    ]
    return b"".join(pieces)


CHANGES = [
    Row(
        "C01: mp3, 22 kHz mono, then 48 kHz stereo",
        lambda: chain("mp3", ("mp3", 22_050, 1), ("mp3", 48_000, 2)),
        JOINED,
    ),
    Row(
        "mp3, stereo, then mono of another rate",
        lambda: chain("mp3", ("mp3", 44_100, 2), ("mp3", 16_000, 1)),
        JOINED,
    ),
    Row(
        "aac, 48 kHz stereo, then 24 kHz mono",
        lambda: chain("adts", ("aac", 48_000, 2), ("aac", 24_000, 1)),
        JOINED,
    ),
    Row(
        "ac3, stereo, then 5.1 of another rate",
        lambda: chain("ac3", ("ac3", 48_000, 2), ("ac3", 44_100, 6)),
        BOTH,
    ),
    Row(
        "chained Opus, mono, then stereo",
        lambda: chain("ogg", ("libopus", 48_000, 1), ("libopus", 48_000, 2)),
        BOTH,
    ),
    Row(
        "chained Vorbis, then FLAC in Ogg",
        lambda: chain("ogg", ("vorbis", 48_000, 2), ("flac", 16_000, 1)),
        BOTH,
    ),
    Row(
        "FLAC after FLAC, other rate and channels",
        lambda: chain("flac", ("flac", 16_000, 1), ("flac", 48_000, 2)),
        BOTH,
    ),
    Row(
        "WAV after WAV",
        lambda: chain("wav", ("pcm_s16le", 8_000, 1), ("pcm_s16le", 44_100, 2)),
        BOTH,
    ),
    Row(
        "Matroska after Matroska, another codec",
        lambda: chain("matroska", ("aac", 48_000, 1), ("flac", 16_000, 2)),
        BOTH,
    ),
    Row(
        "ts, AC-3: rate and channels change",
        lambda: series(
            "ac3",
            Track(HIGH, "ac3"),
            Track(tones(T, 2, 32_000), "ac3", 32_000, start=2),
        ),
        BOTH,
    ),
    Row(
        "ts, layer II: rate and channels change, after a gap",
        lambda: series(
            "mp2",
            Track(tones(T, 2, 32_000), "mp2", 32_000),
            Track(HIGH, "mp2", 48_000, start=4),
        ),
        (0.5, 1.5, 4.5, 5.5),
    ),
]

LATE = Track(tones((0.5,), 1), start=4)
GAP = Track(tones((1, 3, 7), 8), keep=kept(3.5, 6.5))
GAPPED = (1, 3, 7)
CLOCKS = [
    Row("C05: mp4, sound 4 s after the picture", lambda: odd("mp4", LATE, video=5), (4.5,)),
    Row(
        "mp4 in fragments, sound 4 s after the picture",
        lambda: odd("mp4", LATE, video=5, options={"movflags": "frag_keyframe"}),
        (4.5,),
    ),
    Row("mp4, a little late", lambda: odd("mp4", replace(LATE, start=0.3), video=5), (0.8,)),
    Row("mp4 with an encoder's delay", lambda: one("mp4", "aac", HIGH, 48_000), T),
    Row("webm with an encoder's delay", lambda: one("webm", "libopus", HIGH, 48_000), T),
    Row("ts that begins at 1.4 s", lambda: one("mpegts", "aac", HIGH, 48_000), T),
    Row("mkv, sound 4 s after the picture", lambda: odd("matroska", LATE, video=5), (4.5,)),
    Row("ts, sound 4 s after the picture", lambda: odd("mpegts", LATE, video=5), (4.5,)),
    Row(
        "mov, sound of PCM 4 s late",
        lambda: odd("mov", replace(LATE, codec="pcm_s16le"), video=5),
        (4.5,),
    ),
    Row(
        "ts, all streams begin late: that is its zero",
        lambda: odd("mpegts", replace(LATE, start=1000)),
        (0.5,),
    ),
    Row("C06: ts, packets missing", lambda: odd("mpegts", GAP), GAPPED),
    Row("mkv, packets missing", lambda: odd("matroska", GAP), GAPPED),
    Row("mp4, packets missing", lambda: odd("mp4", GAP), GAPPED),
    Row("webm, Opus missing", lambda: odd("webm", replace(GAP, codec="libopus")), GAPPED),
    Row(
        "flv, packets missing",
        lambda: odd("flv", replace(GAP, rate=44_100, sound=tones(GAPPED, 8, 44_100))),
        GAPPED,
    ),
    Row(
        "ts, a gap of twenty minutes",
        lambda: odd("mpegts", replace(GAP, keep=lambda time: True, at=moved(5, 1200))),
        (1, 3, 1207),
    ),
    Row(
        "ts, the clock goes back",
        lambda: b"".join(
            odd("mpegts", Track(tones(T, 2), "ac3", start=start)) for start in (500, 100)
        ),
        BOTH,
        ["clock"],
    ),
    Row(
        "ts, the clock jumps hours ahead",
        lambda: odd("mpegts", Track(tones(GAPPED, 8), at=moved(5, 2 * LONGEST_GAP))),
        GAPPED,
        ["clock"],
    ),
    Row(
        "ts, the clock of 33 bits begins anew",
        lambda: odd("mpegts", Track(tones(GAPPED, 8), start=2**33 / 90_000 - 5)),
        GAPPED,
    ),
    Row(
        "ts, a gap where the clock begins anew",
        lambda: odd("mpegts", replace(GAP, start=2**33 / 90_000 - 5)),
        GAPPED,
    ),
]


def half(container: str, codec: str) -> bytes:
    """The first half of a recording with a tone a second."""
    data = one(container, codec, tones(BOTH, 4), 48_000)
    return data[: len(data) // 2]


BESIDE = [
    Row("cover art", lambda: one("mp3", "mp3", HIGH, 48_000, cover=True), T),
    Row("picture", lambda: odd("mp4", Track(tones(T, 2)), video=2), T),
    Row("one sample", lambda: wav(np.full((1, 1), 0.05, np.float32), 16_000), ()),
    Row("eight channels' worth of 5.1", lambda: wav(np.repeat(tones(T, 2), 6, 0), 48_000), T),
    Row("Vorbis", lambda: one("ogg", "vorbis", HIGH, 48_000), T),
    Row("8 kHz A-law", lambda: one("wav", "pcm_alaw", tones(T, 2, 8_000), 8_000), T),
    Row("WAV of floats", lambda: one("wav", "pcm_f32le", HIGH, 48_000), T),
    Row("WAV cut off", lambda: wav(HIGH, 48_000)[: 48_000 * 4], T[:1], ["broken_off"]),
    Row("MP3 cut off", lambda: half("mp3", "mp3"), BOTH[:2], ["broken_off"]),
    Row("FLAC cut off", lambda: half("flac", "flac"), BOTH[:1], ["broken_off"]),
    Row("Ogg cut off", lambda: half("ogg", "libopus"), BOTH[:2], ["broken_off"]),
    Row("cover art in MP4", lambda: one("mp4", "aac", HIGH, 48_000, cover=True), T),
    Row("cover art in FLAC", lambda: one("flac", "flac", HIGH, 48_000, cover=True), T),
    Row("a video that goes on", lambda: odd("mp4", Track(tones(T, 2)), video=9), T),
]


@pytest.mark.parametrize("row", [*CHANGES, *CLOCKS, *BESIDE], ids=lambda row: row.name)
def test_tones_are_heard_where_the_container_puts_them(row: Row) -> None:
    samples, kinds = heard(row.make())
    assert_tones(samples, row.times)
    assert kinds == list(row.kinds)


def test_one_sample_is_a_sample() -> None:
    assert len(heard(wav(np.full((1, 1), 0.5, np.float32), 16_000))[0]) == 1


def test_no_silence_follows_sound_that_ends_before_the_picture() -> None:
    samples, _ = heard(odd("mp4", Track(tones(T, 2)), video=9))
    assert len(samples) / RATE == pytest.approx(2, abs=NEAR)


def test_a_video_without_sound_is_told() -> None:
    with pytest.raises(UsageError, match="no sound"):
        heard(odd("mp4", video=1))
