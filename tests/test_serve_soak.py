"""Hours of audio: memory stays flat, lag bounded, and no word is lost or made up."""

import asyncio
import json
from pathlib import Path

import numpy as np
import psutil
import pytest
from serve_harness import Client, free_port, run, s16le, start_process

from alignatt4llm.audio.decode import read
from alignatt4llm.recognizers.tones import SCRIPT, tones

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parent.parent / "samples"
RATE = 16_000
SENTENCES = range(len(SCRIPT))
NO_FULL_STOP = [index for index, word in enumerate(SCRIPT) if not word.endswith(".")]


def quiet_noise(seconds, seed=0):
    noise = np.random.default_rng(seed).normal(0, 0.005, seconds * RATE)
    return noise.astype(np.float32)


def music(seconds):
    """Chords of three tones with a slow tremolo."""
    time = np.arange(seconds * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220.0, 277.2, 329.6))
    return (0.1 * chord * (1 + 0.3 * np.sin(2 * np.pi * 0.5 * time))).astype(np.float32)


async def soak(port, process, parts, **wish):
    """Play the parts as fast as the server takes them; return the client and what it measured."""
    client = await Client(port, ping_timeout=None).open(**wish)
    memory, lags = [], []

    async def listen():
        while True:
            frame = await client.next()
            assert frame["type"] != "error", frame
            client.frames.clear()
            if frame["type"] == "status":
                lags.append(frame["lag_s"])
                memory.append((frame["audio_s"], psutil.Process(process.pid).memory_info().rss))
            if frame["type"] == "end":
                return

    async def speak():
        for part in parts:
            audio = s16le(part)
            for start in range(0, len(audio), 32_000):
                await client.socket.send(audio[start : start + 32_000])
        await client.say({"type": "end"})

    speaking = asyncio.create_task(speak())
    await listen()
    await speaking
    return client, memory, lags


def grown(memory, length):
    """Megabytes between the first fifth of the stream and its end."""
    early = [size for at, size in memory if length / 10 < at < length / 5]
    late = [size for at, size in memory if at > 0.9 * length]
    return (np.median(late) - np.median(early)) / 2**20


def stopped(process):
    process.terminate()
    _, errors = process.communicate(timeout=60)
    print(errors)
    assert "Traceback" not in errors
    return process.returncode


def test_three_hours_with_the_scripted_engine(tmp_path):
    monologue = NO_FULL_STOP * 6
    cycle = [
        (tones(SENTENCES), SENTENCES),
        (np.zeros(20 * RATE, np.float32), ()),
        (tones(monologue), monologue),
        (quiet_noise(30), ()),
        (tones(SENTENCES), SENTENCES),
        (np.zeros(300 * RATE // 10, np.float32), ()),
    ]
    length = sum(len(part) for part, _ in cycle) / RATE
    rounds = int(3 * 3600 / length) + 1
    parts = [part for _ in range(rounds) for part, _ in cycle]
    said = [SCRIPT[word] for _ in range(rounds) for _, words in cycle for word in words]
    port = free_port()
    process = start_process(tmp_path, port)
    try:
        client, memory, lags = run(soak(port, process, parts), 1800)
    finally:
        code = stopped(process)
    assert code == 0
    assert client.text == " ".join(said).upper()
    end = client.events[-1]
    assert end["audio_s"] == pytest.approx(rounds * length) and end["audio_s"] > 3 * 3600
    growth = grown(memory, end["audio_s"])
    print(
        f"{end['audio_s']:.0f} s of audio in {end['wall_s']:.0f} s, {growth:.1f} MB, {max(lags)} s"
    )
    assert growth < 20
    assert max(lags) < 60


def test_half_an_hour_with_the_embedded_models(tmp_path):
    speech = np.concatenate(list(read(str(SAMPLES / "lj001.ogg"))))
    gaps = [
        np.zeros(20 * RATE, np.float32),
        quiet_noise(15),
        music(20),
        np.zeros(1, np.float32),
        np.zeros(40 * RATE, np.float32),
        quiet_noise(15, seed=1),
        np.zeros(1, np.float32),
    ]
    parts, silent, at = [], [], 0.0
    for gap in gaps:
        at += len(speech) / RATE
        silent.append((at + 1, at + len(gap) / RATE - 1))
        at += len(gap) / RATE
        parts += [speech, gap]
    parts.append(speech)
    port = free_port()
    process = start_process(tmp_path, port, "embedded", seconds=300)
    try:
        client, memory, lags = run(soak(port, process, parts), 6 * 3600)
    finally:
        stopped(process)
    end = client.events[-1]
    growth = grown(memory, end["audio_s"])
    print(
        f"{end['audio_s']:.0f} s of audio in {end['wall_s']:.0f} s, {growth:.1f} MB, {max(lags)} s"
    )
    assert end["audio_s"] > 30 * 60
    assert growth < 200
    assert max(lags) < 60
    [journal] = tmp_path.glob("*.jsonl")
    records = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    words = [word for record in records if record["type"] == "heard" for word in record["words"]]
    made_up = [word for word in words for a, b in silent if a < word["start"] and word["end"] < b]
    assert made_up == []
    closes = [event for event in client.events if event["type"] == "close"]
    assert closes[0]["source"].lower().startswith("printing")
    assert closes[-1]["end"] > end["audio_s"] - 3
    assert client.text.split()
