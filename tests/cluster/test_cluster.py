"""Sessions through a real cluster say what sessions of the plain server say, whatever dies."""

import asyncio
import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace

import httpx
import psutil
import pytest
import ray
from conftest import PLACES, UP, alignatt
from ray import serve
from serve_harness import EVERYTHING, Client, run, serving, speech
from websockets.exceptions import ConnectionClosed

from alignatt4llm.cli.main import main
from alignatt4llm.cluster.app import ENGINE, NAME, SESSIONS, application
from alignatt4llm.cluster.places import counter
from alignatt4llm.cluster.settings import ClusterSettings
from alignatt4llm.settings.system import System


def shown():
    """What the cluster says of its places."""
    return ray.get(counter(NAME).shown.remote())


def holding():
    """The session replicas that hold sessions."""
    return {name for name, held in shown()["replicas"].items() if held["sessions"]}


def kill(deployment, busy=()):
    """Kill a replica without grace, one of those named or that have sessions if any."""
    listed = ray.util.list_named_actors(all_namespaces=True)
    names = [each["name"] for each in listed if f"{NAME}#{deployment}#" in each["name"]]
    busy = busy or holding()
    victim = next((name for name in names if any(each in name for each in busy)), names[0])
    ray.kill(ray.get_actor(victim, namespace="serve"))


def kill_node():
    """Kill the node that is not the head, with all that runs on it."""
    [node] = [each for each in ray.nodes() if each["Alive"] and not _is_head(each)]
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "raylet" and any(
            node["RayletSocketName"] in word for word in process.info["cmdline"]
        ):
            os.kill(process.pid, signal.SIGKILL)


def _is_head(node):
    return "node:__internal_head__" in node["Resources"]


def till(true, seconds=100):
    """Wait until something is true, for so long; return whether it is."""
    until = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


RESUMED = ("engine_failed", "engine_stuck", "draining")
"""What a client is told after which it resumes, as docs/protocol.md says."""


class Speaker:
    """A client that resumes as the protocol asks of it, and ends when all is calm."""

    def __init__(self, port, audio, calm):
        self.client = Client(port)
        self.audio, self.calm = audio, calm
        self.resumed, self.told = 0, []

    async def speak(self):
        """Say everything; return the text."""
        await self.client.open()
        while True:
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._send())
                    both.create_task(self._hear())
                return self.client.text
            except* (ConnectionClosed, OSError):
                pass
            await self._resume()

    async def _hear(self):
        frame = {"type": ""}
        while frame["type"] != "end":
            frame = await self.client.next()
            if frame["type"] == "error":
                self.told.append(frame["code"])
                assert frame["code"] in RESUMED, frame

    async def _send(self):
        for end in range(0, len(self.audio) * 3 // 4, 6400):
            await self.client.play(self.audio, upto=end)
            await asyncio.sleep(0.15)
        await self.calm.wait()
        await self.client.play(self.audio)
        await self.client.say({"type": "end"})

    async def _resume(self):
        self.resumed += 1
        while True:
            with suppress(ConnectionClosed, OSError, AssertionError):
                return await self.client.resume()
            await asyncio.sleep(0.1)


async def talks(port, disturb):
    """Let six speak, and disturb them; return what they said and how often they resumed."""
    calm = asyncio.Event()
    speakers = [Speaker(port, speech(), calm) for _ in range(6)]
    said = [asyncio.create_task(each.speak()) for each in speakers]
    await asyncio.sleep(2)
    await asyncio.to_thread(disturb)
    calm.set()
    return await asyncio.gather(*said), sum(each.resumed for each in speakers)


def test_a_session_says_what_it_says_on_the_plain_server(up, tmp_path):
    async def talk(server):
        client = await Client(server).open()
        await client.play(speech())
        await client.finish()
        closes = [event for event in client.events if event["type"] == "close"]
        return client.text, [(close["source"], close["target"]) for close in closes]

    with serving(tmp_path) as server:
        plain = run(talk(server))
    assert run(talk(up.port)) == plain


def test_the_command_says_how_it_stands(up):
    code, said, _ = alignatt("cluster", "status", "--json")
    found = json.loads(said)
    assert (code, found["application"], found["places"]) == (0, "RUNNING", PLACES)
    assert found["deployments"] == {"sessions": {"RUNNING": 2}, "engine": {"RUNNING": 2}}
    assert set(found["replicas"]) == set(shown()["replicas"]) and len(found["replicas"]) == 2


def test_one_cluster_is_up_at_a_time(up, capsys):
    assert main(["cluster", "up", *UP, "--port", "0"]) == 2
    said = f"A cluster of this machine is up, at port {up.port}; end it"
    assert said in capsys.readouterr().err


def test_places_are_counted_over_the_cluster_and_given_back(up):
    async def talk():
        clients = [await Client(up.port).open() for _ in range(PLACES)]
        held = await asyncio.to_thread(holding)
        late = await Client(up.port).connect()
        await late.say({"type": "start", "version": 1, "to": "de"})
        frame = await late.next()
        with pytest.raises(ConnectionClosed) as closed:
            await late.next()
        for client in clients:
            await client.finish()
        for client in [await opened() for _ in range(PLACES)]:
            await client.finish()
        return held, frame, closed.value.rcvd.code

    async def opened():
        while True:
            with suppress(AssertionError, ConnectionClosed):
                return await Client(up.port).open()
            await asyncio.sleep(0.1)

    held, frame, code = run(talk())
    assert len(held) == 2
    assert (frame["code"], code) == ("busy", 1013)
    assert frame["message"] == f"All {PLACES} places are taken; try again later."


def test_each_language_takes_a_place_of_the_cluster(up):
    async def talk():
        wish = {"version": 2, "to": ["de", "it", "zh"]}
        clients = [await Client(up.port).open(**wish) for _ in range(2)]
        late = await Client(up.port).connect()
        await late.say({"type": "start", "version": 2, "to": ["de", "it"]})
        frame = await late.next()
        for client in clients:
            await client.finish()
        return frame

    assert till(lambda: not shown()["taken"])
    said = run(talk())["message"]
    assert said.startswith(f"1 of {PLACES} places are free, and 2 languages take 2;")


def test_a_session_goes_on_whichever_replica_its_client_comes_back_to(up):
    async def talk():
        client, audio, held = await Client(up.port).open(), speech(), set()
        for part in range(1, 21):
            await client.play(audio, upto=len(audio) * part // 21)
            held |= await asyncio.to_thread(holding)
            client.socket.transport.abort()
            await client.resume()
        await client.play(audio)
        return held, await client.finish()

    assert till(lambda: not shown()["taken"])
    held, text = run(talk())
    assert len(held) == 2 and text == EVERYTHING


def test_what_was_said_can_be_read_from_a_replica_that_never_had_the_session(up):
    async def talk():
        client = await Client(up.port).open()
        await client.play(speech())
        held = await asyncio.to_thread(holding)
        await client.finish()
        return client.hello["session"], held

    def read():
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"http://127.0.0.1:{up.port}/transcripts/{session}.txt")
            return answer.status_code == 200 and " ".join(answer.text.split())
        return ""

    assert till(lambda: not shown()["taken"])
    session, [held] = run(talk())
    kill(SESSIONS, {held})
    assert EVERYTHING in till(read)
    assert till(lambda: len(shown()["replicas"].keys() - {held}) == 2)


def test_the_application_is_replaced_while_everybody_speaks(up):
    settings = ClusterSettings(
        System("scripted", "scripted", "scripted"),
        up.transcripts,
        places=PLACES,
        session_cpus=0.2,
        engine_replicas=(2, 2),
        engine_cpus=0.2,
    )

    def upgrade():
        changed = replace(settings, streams=4, hours=5)
        before = set(shown()["replicas"])
        serve.run(application(changed), name=NAME, route_prefix="/")
        assert till(lambda: not before & set(shown()["replicas"]))

    said, resumed = run(talks(up.port, upgrade), 200)
    assert said == [EVERYTHING] * 6
    assert resumed


def test_whatever_dies_everybody_says_everything(up):
    def disturb():
        for harm in (lambda: kill(ENGINE), lambda: kill(SESSIONS), kill_node):
            harm()
            time.sleep(3)

    said, resumed = run(talks(up.port, disturb), 200)
    assert said == [EVERYTHING] * 6
    assert resumed
    assert till(lambda: not shown()["taken"])
