"""An engine that hangs: everybody is told, the process ends, and the next one goes on."""

import asyncio
import json
import threading
from pathlib import Path

import httpx
import pytest
import websockets
from hanging import Hanging
from serve_harness import EVERYTHING, Client, free_port, run, serving, speech, start_process
from websockets.exceptions import ConnectionClosed

from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.translators.scripted import ScriptedDrafter

HALF = 100_000


async def begin(port):
    """Speak until some is said, so that there is something to go on from."""
    client = await Client(port).open()
    await client.play(speech(), upto=HALF)
    while client.text.count(" ") < 2:
        await client.until("commit")
    return client


async def parted(client):
    """Hear everything up to the farewell; return its code."""
    with pytest.raises(ConnectionClosed):
        while True:
            await client.next()
    return client.frames[-1]["code"]


async def went_on(client):
    await client.resume()
    await client.play(speech())
    return await client.finish()


@pytest.fixture
def engine():
    engine = Hanging()
    yield engine
    engine.free.set()


def test_when_a_pass_does_not_come_back_every_session_is_told_and_can_be_resumed(tmp_path, engine):
    port = free_port()

    async def ready():
        async with httpx.AsyncClient() as http:
            return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code

    async def talks():
        clients = [await begin(port) for _ in range(3)]
        assert await ready() == 200
        engine.hang.set()
        for client in clients:
            await client.play(speech(), upto=HALF + 64_000)
        codes = await asyncio.gather(*map(parted, clients))
        assert codes == ["engine_stuck"] * 3
        assert {client.socket.close_code for client in clients} == {1012}
        assert await ready() == 503
        with pytest.raises(AssertionError, match="engine_stuck"):
            await Client(port).open()
        return clients

    async def go_on(clients):
        return await asyncio.gather(*map(went_on, clients))

    with serving(tmp_path, ScriptedInterpreter(engine), port=port, step=0.5) as server:
        clients = run(talks())
    assert server.exit_code == 1
    with serving(tmp_path, port=port) as server:
        assert run(go_on(clients)) == [EVERYTHING] * 3
    assert server.exit_code == 0


def test_a_drafter_that_hangs_alone_is_no_different(tmp_path):
    free = threading.Event()

    class Alone(ScriptedDrafter):
        def draft(self, *asked):
            free.wait()
            return super().draft(*asked)

    made = []

    def drafter():
        made.append(Alone() if len(made) == 1 else ScriptedDrafter())
        return made[-1]

    port = free_port()

    async def talks():
        good = await begin(port)
        bad = await Client(port).open()
        await bad.play(speech())
        return good, bad, await asyncio.gather(parted(good), parted(bad))

    async def go_on(*clients):
        return await asyncio.gather(*map(went_on, clients))

    with serving(tmp_path, ScriptedInterpreter(drafter), port=port, step=0.5):
        good, bad, codes = run(talks())
    assert codes == ["engine_stuck"] * 2
    with serving(tmp_path, port=port):
        assert run(go_on(good, bad)) == [EVERYTHING] * 2
    free.set()


def test_the_text_door_is_told_as_well(tmp_path, engine):
    async def talk():
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/text") as socket:
            init = {"type": "init", "protocol_version": 1, "source_lang": "en", "target_lang": "de"}
            await socket.send(json.dumps(init))
            assert json.loads(await socket.recv())["type"] == "init_ok"
            engine.hang.set()
            words = [["Good", 0, 400], ["morning.", 400, 900]]
            update = {"type": "update", "seq": 1, "utterance_id": 0, "words": words}
            await socket.send(json.dumps({**update, "clock_ms": 1000}))
            return json.loads(await socket.recv())["code"]

    with serving(tmp_path, ScriptedInterpreter(engine), step=0.5) as server:
        assert run(talk()) == "engine_stuck"
    assert server.exit_code == 1


def test_the_process_ends_and_its_successor_goes_on(tmp_path, monkeypatch):
    port, order = free_port(), tmp_path / "order"
    monkeypatch.setenv("HANGING_AFTER", str(order))
    program = [str(Path(__file__).with_name("hanging.py"))]
    folder = tmp_path / "transcripts"

    async def until_it_hangs():
        client = await begin(port)
        order.touch()
        await client.play(speech())
        return client, await parted(client)

    process = start_process(folder, port, program=program)
    try:
        client, code = run(until_it_hangs(), 20)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (code, process.returncode) == ("engine_stuck", 1)
    assert "Traceback" not in errors and "hangs" in errors
    process = start_process(folder, port, program=program)
    try:
        assert run(went_on(client)) == EVERYTHING
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0
