"""Odd audio that programs have: it is heard as it sounds, or refused in one sentence."""

import av
import numpy as np
import pytest
from doors import EVERYTHING, SPEECH, heard
from sessions import said
from sounds import int16

from alignatt4llm import AudioSource

LAYOUTS = ["mono", "stereo", "5.1", "6.1", "7.1", "8C", "9C", "hexadecagonal", "16C"]
PLANAR = ["fltp", "s16p", "s32p", "dblp"]


def planar(layout, kind):
    """Speech in the first channel of a frame with a plane a channel."""
    sound = np.zeros((len(SPEECH), av.AudioLayout(layout).nb_channels), np.int16)
    sound[:, 0] = int16(SPEECH)
    frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = 16_000
    (frame,) = av.AudioResampler(format=kind).resample(frame)
    frame.pts = 12_345
    return frame


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", PLANAR)
def test_planar_frames_of_any_number_of_channels_are_heard(layout, kind):
    frame = planar(layout, kind)
    samples = np.concatenate(list(AudioSource([frame], channel="left")))
    assert np.abs(samples - SPEECH).max() < 0.01
    assert frame.pts == 12_345


def test_frames_without_sound_are_passed_over():
    empty = [av.AudioFrame(kind, "stereo", 0) for kind in ("flt", "fltp")]
    assert said(heard([*empty, planar("mono", "fltp"), *empty])) == EVERYTHING


def test_a_track_of_seven_one_is_translated():
    assert said(heard([planar("7.1", "fltp")])) == EVERYTHING
