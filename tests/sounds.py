"""The same sound as whatever programs may have: integers, frames, a file, pieces of one."""

import io

import av
import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE

CODECS = {
    "mp3": "libmp3lame",
    "mp4": "aac",
    "ogg": "libopus",
    "matroska": "libopus",
    "wav": "pcm_s16le",
}


def int16(samples):
    return np.round(samples * 32767).astype("<i2")


def wav(samples, rate=SAMPLE_RATE):
    file = io.BytesIO()
    write(file, samples, "wav", rate)
    return file.getvalue()


def write(file, samples, form, rate=48_000):
    """Write samples, which are of that rate or 16 kHz, as a file of a form."""
    data = int16(samples if form == "wav" else np.repeat(samples, rate // SAMPLE_RATE))[None]
    with av.open(file, "w", form) as container:
        stream = container.add_stream(CODECS[form], rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def frames(samples, kind="s16", copies=2, rate=48_000, size=960):
    """WebRTC's frames of 20 ms."""
    data, planar = int16(np.repeat(samples, rate // SAMPLE_RATE)), kind.endswith("p")
    for at in range(0, len(data), size):
        part = data[at : at + size]
        shaped = np.stack([part] * copies) if planar else np.repeat(part, copies)[None]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(shaped), format=kind, layout="stereo" if copies == 2 else "mono"
        )
        frame.sample_rate, frame.pts = rate, 12_345
        yield frame


def pieces(data, size=1000):
    return [data[at : at + size] for at in range(0, len(data), size)]
