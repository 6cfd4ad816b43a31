"""The clock of a container: gaps and changes in any order, jitter, jumps and hours."""

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import LAYOUTS, NEAR, RATE, TONE, Track, heard, odd, one, tones

from alignatt4llm.audio.clock import LONGEST_GAP, OVERLAP, TOLERANCE, Clock
from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.audio.line import Line


class Piece(NamedTuple):
    """Sound of one kind that begins with a tone, and the seconds that are missing before it."""

    gap: float
    seconds: float
    rate: int
    channels: int
    format: str


PIECES = st.builds(
    Piece,
    st.one_of(st.just(0.0), st.floats(0.2, 5)),
    st.floats(0.4, 1.5),
    st.sampled_from([8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000]),
    st.sampled_from([1, 2, 6]),
    st.sampled_from(["s16", "s16p", "flt", "fltp", "s32", "dbl"]),
)


def frames(pieces: list[Piece], ticks: int) -> Iterator[tuple[float, av.AudioFrame]]:
    """Frames of 20 ms with timestamps in ticks a second, each with when its piece begins."""
    now = 0.0
    for piece in pieces:
        now += piece.gap
        begin = now
        sound = np.repeat(tones([0.0], piece.seconds, piece.rate), piece.channels, 0)
        packed = np.ascontiguousarray(sound.T).reshape(1, -1)
        whole = av.AudioFrame.from_ndarray(packed, format="flt", layout=LAYOUTS[piece.channels])
        whole.sample_rate = piece.rate
        convert = av.AudioResampler(format=piece.format, frame_size=piece.rate // 50)
        for frame in [*convert.resample(whole), *convert.resample(None)]:
            frame.time_base, frame.pts = Fraction(1, ticks), round(now * ticks)
            now += frame.samples / piece.rate
            yield begin, frame


@settings(max_examples=40, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=6), st.sampled_from([1000, 90_000, 48_000]))
def test_gaps_and_changes_in_any_order_keep_the_times(pieces: list[Piece], ticks: int) -> None:
    line, begins, blocks = Line(Clock(0.0)), set(), []
    for begin, frame in frames(pieces, ticks):
        begins.add(begin)
        blocks += line.put(frame)
    samples = np.concatenate([*blocks, *line.end()])
    assert len(samples) / RATE == pytest.approx(max(begins) + pieces[-1].seconds, abs=NEAR)
    for begin in begins:
        first, last = round((begin + NEAR) * RATE), round((begin + TONE - NEAR) * RATE)
        assert np.abs(samples[first:last]).max() > 0.1
        before = samples[max(0, round((begin - 0.15) * RATE)) : round((begin - NEAR) * RATE)]
        assert np.abs(before).max(initial=0) < 0.1 or begin < NEAR


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.3, 1), st.floats(0.2, 1)), min_size=1, max_size=4),
    st.sampled_from(["matroska", "mpegts", "mp4"]),
    st.sampled_from(["ac3", "aac"]),
)
def test_packets_missing_anywhere_keep_the_times(
    stretches: list[tuple[float, float]], container: str, codec: str
) -> None:
    """Sound and what is missing in turns: what is left stands where it stood in the whole."""
    edges = np.cumsum([length for stretch in stretches for length in stretch])
    seconds = edges[-1] + 0.5
    at = np.arange(round(seconds * 48_000)) / 48_000
    sound = (0.4 * np.sin(2 * np.pi * 1000 * at) * (at % 0.2 < 0.1)).astype(np.float32)[None]

    def keep(time: float) -> bool:
        return np.searchsorted(edges, time, "right") % 2 == 0

    whole, _ = heard(odd(container, Track(sound, codec)))
    left, kinds = heard(odd(container, Track(sound, codec, keep=keep)))
    assert kinds == []
    assert len(left) / RATE == pytest.approx(len(whole) / RATE, abs=NEAR)
    for begin, end in zip([0.0, *edges[1::2]], [*edges[::2], seconds], strict=True):
        inside = slice(round((begin + 0.06) * RATE), round((end - 0.06) * RATE))
        assert _lag(whole[inside], left[inside]) < NEAR


def _lag(first: np.ndarray, second: np.ndarray) -> float:
    """Seconds between two recordings of the same sound, by their loudness."""
    length = min(len(first), len(second)) // 80 * 80
    one, two = (np.abs(x[:length]).reshape(-1, 80).max(1) for x in (first, second))
    if not len(one):
        return 0.0
    return abs(int(np.argmax(np.correlate(one, two, "full"))) - len(one) + 1) * 80 / RATE


@given(
    st.lists(st.tuples(st.floats(-0.9, 0.9), st.floats(0.01, 0.1)), max_size=200),
    st.floats(-1e5, 1e5),
)
def test_jitter_is_no_gap(packets: list[tuple[float, float]], start: float) -> None:
    clock, now = Clock(start), 0.0
    for jitter, seconds in packets:
        assert clock.gap(start + now + jitter * TOLERANCE, now) == 0
        assert not clock.late
        now += seconds
    assert clock.jumps == 0


@pytest.mark.parametrize(
    ("rate", "size", "ticks"),
    [(44_100, 1024, 1000), (44_100, 1152, 90_000), (22_050, 576, 1000), (48_000, 960, 1000)],
)
def test_rounded_timestamps_add_nothing_in_an_hour(rate: int, size: int, ticks: int) -> None:
    clock, samples = Clock(0.0), 0
    while samples < 3600 * rate:
        now = samples / rate
        assert clock.gap(round(now * ticks) / ticks, now) == 0
        samples += size
    assert not clock.late and clock.jumps == 0


@pytest.mark.parametrize("error", [1e-4, -1e-4, 1e-3, -1e-3])
def test_a_device_that_runs_fast_or_slow_does_not_drift_in_an_hour(error: float) -> None:
    """What is late is played faster, what is early has silence: never off by more than is heard."""
    clock, now = Clock(0.0), 0.0
    for number in range(3600 * 50):
        stamp = number * 0.02 * (1 + error)
        now += clock.gap(stamp, now)
        assert abs(stamp - now) < NEAR
        now += 0.02 / (1.02 if clock.late else 1)
    assert clock.jumps == 0


@pytest.mark.parametrize(
    ("stamp", "gap", "jumps"),
    [
        (10.0, 0.0, 0),
        (10 + TOLERANCE / 2, 0.0, 0),
        (12.0, 2.0, 0),
        (10 + LONGEST_GAP - 1, LONGEST_GAP - 1, 0),
        (10 + LONGEST_GAP + 1, 0.0, 1),
        (10 - OVERLAP / 2, 0.0, 0),
        (10 - OVERLAP * 2, 0.0, 1),
        (-1e5, 0.0, 1),
        (None, 0.0, 0),
    ],
)
def test_the_rule_of_the_clock(stamp: float | None, gap: float, jumps: int) -> None:
    clock = Clock(0.0)
    assert clock.gap(stamp, 10.0) == pytest.approx(gap)
    assert clock.jumps == jumps
    if stamp is not None and jumps:
        assert clock.gap(stamp + 3, 11.0) == pytest.approx(2)  # it goes on from there


def test_without_timestamps_sound_follows_on_sound() -> None:
    assert Clock(0.0, stamped=False).gap(100.0, 1.0) == 0


def test_long_silence_comes_a_second_at_a_time() -> None:
    track = Track(tones([0.5, 1.5], 2), "ac3", at=lambda time: time + 1800 * (time > 1))
    source = AudioSource("odd", io.BytesIO(odd("matroska", track)))
    lengths = [len(block) for block in source]
    assert max(lengths) <= RATE
    assert sum(lengths) / RATE == pytest.approx(1802, abs=NEAR)


def test_timestamps_in_milliseconds_leave_no_holes() -> None:
    """Frames of 1024 samples at 44.1 kHz last 23.2 ms; Matroska rounds to whole ones."""
    at = np.arange(44_100 * 60) / 44_100
    sound = (0.5 * np.sin(2 * np.pi * 1000 * at)).astype(np.float32)[None]
    samples, _ = heard(one("matroska", "aac", sound, 44_100))
    assert len(samples) / RATE == pytest.approx(60, abs=NEAR)
    inside = samples[RATE // 10 : 59 * RATE].reshape(-1, 80)
    assert np.abs(inside).max(1).min() > 0.4
