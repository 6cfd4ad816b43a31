"""Channels: speech survives the mix whatever their phases are. One row a recording."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from odd import RATE, assert_tones, heard, one, tones

from alignatt4llm.audio.mix import Mix

VOICE = tones([0, 1, 2], 3)
AT = np.arange(VOICE.shape[1]) / 48_000
HUM = (0.02 * np.sin(2 * np.pi * 100 * AT)).astype(np.float32)[None]
LEVEL = float(np.sqrt(np.mean(VOICE**2)))


def sides(*levels: float) -> np.ndarray:
    return np.concatenate([level * VOICE for level in levels])


class Row(NamedTuple):
    """Channels, which is asked for, and the least share of the voice's level that is heard."""

    name: str
    sound: np.ndarray
    channel: str
    least: float


ROWS = [
    Row("alike", sides(1, 1), "mix", 0.95),
    Row("right is left negated", sides(1, -1), "mix", 0.9),
    Row("partly opposed", sides(1, -0.6), "mix", 0.7),
    Row("nearly opposed", sides(0.9, -1), "mix", 0.8),
    Row(
        "opposed, with a hum on both sides", np.concatenate([VOICE + HUM, HUM - VOICE]), "mix", 0.8
    ),
    Row(
        "opposed after a while",
        np.concatenate([VOICE, VOICE * np.where(AT < 1, 1, -1)]).astype(np.float32),
        "mix",
        0.7,
    ),
    Row("left is silent", sides(0, 1), "mix", 0.9),
    Row("right is silent", sides(1, 0), "mix", 0.9),
    Row("mono", sides(1), "mix", 0.95),
    Row("mono, left", sides(1), "left", 0.95),
    Row("mono, right", sides(1), "right", 0.95),
    Row("left", sides(1, 0), "left", 0.95),
    Row("right", sides(0, 1), "right", 0.95),
    Row("5.1, speech in the centre", sides(0, 0, 1, 0, 0, 0), "mix", 0.9),
    Row("5.1, opposed sides", sides(1, -1, 0, 0, 0, 0), "mix", 0.9),
    Row("5.1, speech everywhere", sides(1, 1, 1, 1, 1, 1), "mix", 0.9),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_speech_survives(row: Row) -> None:
    samples, _ = heard(one("wav", "pcm_s16le", row.sound, 48_000), channel=row.channel)
    assert_tones(samples, [0, 1, 2])
    assert np.sqrt(np.mean(samples**2)) > row.least * LEVEL
    assert np.abs(samples).max() <= 1


@pytest.mark.parametrize(("channel", "time"), [("left", 0.5), ("right", 1.5)])
def test_only_the_side_asked_for_is_heard(channel: str, time: float) -> None:
    sound = np.concatenate([tones([0.5], 3), tones([1.5], 3)])
    samples, _ = heard(one("wav", "pcm_s16le", sound, 48_000), channel=channel)
    assert_tones(samples, [time])


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0.3, 1),
    st.floats(-1, 1),
    st.floats(0, 0.02),
    st.integers(0, 2**32 - 1),
)
def test_the_mix_is_never_far_below_the_louder_side(
    left: float, right: float, noise: float, seed: int
) -> None:
    """One voice on both sides, at any levels and phases, each with its own noise."""
    random = np.random.default_rng(seed)
    voice = random.normal(0, 0.2, RATE)
    both = np.stack([left * voice, right * voice], 1) + random.normal(0, noise, (RATE, 2))
    mixed = Mix(("FL", "FR"), RATE)(both.astype(np.float32))
    louder = max(left, abs(right))
    assert abs(mixed @ voice) / (voice @ voice) > 0.35 * louder


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(
        np.float32, st.tuples(st.integers(0, 3000), st.just(6)), elements=st.floats(-1, 1, width=32)
    ),
)
def test_any_channels_mix_within_full_scale(samples: np.ndarray) -> None:
    mixed = Mix(("FL", "FR", "FC", "LFE", "BL", "BR"), 8000)(samples)
    assert mixed.shape == (len(samples),)
    assert np.abs(mixed).max(initial=0) <= 1 + 1e-5


def test_a_mix_goes_over_to_another_without_a_click() -> None:
    at = np.arange(3 * RATE) / RATE
    left = 0.5 * np.sin(2 * np.pi * 100 * at)
    right = left * np.where(at < 1.2, 1, -1) * np.where(at < 2.1, 1, -1)
    mixed = Mix(("FL", "FR"), RATE)(np.stack([left, right], 1).astype(np.float32))
    assert np.sqrt(np.mean(mixed**2)) > 0.9 * 0.5 / np.sqrt(2)
    steps = np.abs(np.diff(mixed))
    for turn in (1.2, 2.1):  # the recording's own steps
        steps[round(turn * RATE) - 3 : round(turn * RATE) + 3] = 0
    assert steps.max() < 0.05
