"""Eight clients at once with the embedded models: nobody hears of the others."""

import asyncio
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
import websockets
from serve_harness import Client, run, s16le, serving

from alignatt4llm.audio.decode import read
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.system import System
from alignatt4llm.translators.transformers import TransformersTranslator

pytestmark = pytest.mark.slow

STEPS = 7
CHUNK = 2 * round(2 * LATENCIES["medium"].chunk * SAMPLE_RATE)
"""Bytes; two steps of a session, or it would wait for the rest of one."""


async def in_step(client, audio):
    """Send the next chunk only when the one before is translated, so that none are joined."""
    for start in range(0, len(audio), CHUNK):
        await client.socket.send(audio[start : start + CHUNK])
        while 2 * SAMPLE_RATE * (await client.until("status"))["audio_s"] < start + CHUNK - 1:
            pass
    return await client.finish()


def test_eight_clients_say_what_they_say_alone(tmp_path):
    speech = s16le(np.concatenate(list(read("samples/lj001.ogg"))))
    clips = [speech[CHUNK * STEPS * i : CHUNK * STEPS * (i + 1)] for i in range(5)]
    interpreter = Interpreter(System("embedded", engine="transformers"))
    interpreter.translator = TransformersTranslator(  # a batch rounds differently in bfloat16
        interpreter.location, threads=1, dtype=torch.float32
    )
    targets = [pair.partition("-")[2] for pair in interpreter.pairs * 5]

    async def good(number):
        client = await Client(server, ping_timeout=None).open(to=targets[number])
        return await in_step(client, clips[number])

    async def slow():
        client = await Client(server, max_queue=1, ping_timeout=None).open(to="de", trace=True)
        for start in range(0, len(clips[0]), CHUNK):
            await client.socket.send(clips[0][start : start + CHUNK])
        await asyncio.sleep(20)
        client.socket.transport.abort()

    async def vanishing():
        client = await Client(server).open(to="de")
        await client.play(clips[1], upto=CHUNK * 5)
        client.socket.transport.abort()

    async def garbage():
        client = await Client(server, ping_timeout=None).open(to="de")
        noise = np.random.default_rng(0).uniform(-1, 1, 16_000 * 3).astype(np.float32)
        await client.socket.send(s16le(noise))
        for _ in range(30):
            try:
                await client.say("{" * 500)
            except websockets.ConnectionClosed:
                return

    async def alone():
        return [await good(number) for number in range(5)]

    async def together():
        others = [slow(), vanishing(), garbage()]
        done = await asyncio.gather(*map(good, range(5)), *others, return_exceptions=True)
        return done[:5]

    with serving(tmp_path, interpreter, heartbeat=0.1, step=600, resume=5) as server:
        solo = run(alone(), 3600)
        shared = run(together(), 3600)
    print(*solo, sep="\n")
    assert all(solo) and len(set(solo)) == 5
    assert shared == solo


def test_a_recording_is_transcribed_in_the_language_that_is_spoken(tmp_path):
    with (
        Path("samples/fleurs-en-000.ogg").open("rb") as file,
        serving(tmp_path, Interpreter()) as server,
    ):
        address = f"http://127.0.0.1:{server.port}/v1/audio/transcriptions"
        asked = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
        answer = httpx.post(address, files={"file": file}, data=asked, timeout=300).json()
    times = [word["start"] for word in answer["words"]]
    assert answer["language"] == "en" and len(answer["text"].split()) > 5
    assert times == sorted(times) and times[-1] < answer["duration"]
    assert answer["text"].split() == [word["word"] for word in answer["words"]]
