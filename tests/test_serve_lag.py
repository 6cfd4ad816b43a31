"""The event loop stays free: what takes long is done in threads."""

import asyncio
import gc
import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from long_journal import lengthen, talk_for_a_while
from serve_harness import EVERYTHING, Client, free_port, run, serving, speech

from alignatt4llm.serve.server import favour_the_loop

LONGEST = 0.02
HOURS = 6
ROUNDS = 3
"""What the server itself holds up is late in every round; the rest is the machine's."""
IDLE = str(Path(__file__).with_name("idle.py"))


async def measure(lags):
    """Note by how much sleeps of a millisecond are late, until cancelled."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        lags.append(time.perf_counter() - before - 0.001)


@pytest.fixture
def favoured():
    interval = sys.getswitchinterval()
    favour_the_loop()
    yield
    gc.unfreeze()
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("favoured")
def test_the_loop_is_never_late_while_hours_are_resumed_and_others_speak(tmp_path):
    port = free_port()
    with serving(tmp_path, port=port) as server:
        known = run(talk_for_a_while(server)).hello
    [journal] = tmp_path.glob("*.jsonl")
    known["last"] = lengthen(journal, HOURS)
    whole = journal.read_bytes()
    worst = []
    for _ in range(ROUNDS):
        journal.write_bytes(whole)
        with serving(tmp_path, port=port) as server, idle() as machine:
            lags = []
            measuring = asyncio.run_coroutine_threadsafe(measure(lags), server.loop)
            command = [sys.executable, __file__, str(port), json.dumps(known)]
            subprocess.run(command, check=True, timeout=120)
            measuring.cancel()
        worst.append((max(lags), machine[0]))
    print(f"{len(whole)} bytes; ms late, and by the machine:")
    print([(round(1000 * lag, 1), round(1000 * others, 1)) for lag, others in worst])
    ours, others = map(min, zip(*worst, strict=True))
    assert ours < LONGEST + others


@contextmanager
def idle():
    """Yield a list that in the end holds the lateness that is the machine's, not the server's."""
    late = []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, IDLE], **pipes) as process:
        yield late
        late.append(float(process.communicate()[0]))


async def catch_up(port, known):
    client = Client(port)
    client.hello = known
    await client.resume(seq=0, position=0)
    while client.seq < known["last"]:
        await client.next()


async def speak(port):
    client = await Client(port).open()
    audio = speech()
    for end in range(0, len(audio), 6400):
        await client.play(audio, upto=end)
        await asyncio.sleep(0.02)
    await client.play(audio)
    assert await client.finish() == EVERYTHING


async def download(port, known):
    """Take the whole transcript, once the session is there."""
    address = f"http://127.0.0.1:{port}/transcripts/{known['session']}.srt"
    async with httpx.AsyncClient(timeout=60) as http:
        answer = await http.get(address)
    assert answer.text.count("-->") > 1000


async def clients(port, known):
    await asyncio.gather(catch_up(port, known), download(port, known), speak(port), speak(port))


if __name__ == "__main__":
    run(clients(int(sys.argv[1]), json.loads(sys.argv[2])), 120)
