"""What holds of several servers wherever journals are kept; see `shared_journals`."""

import asyncio
import json
import threading
from unittest.mock import patch

import httpx
import pytest
from serve_harness import EVERYTHING, Client, run, serving, speech
from websockets.exceptions import ConnectionClosed


@pytest.fixture
def two(place):
    """Two servers that share a place."""
    with serving(place.address, resume=5.0) as one, serving(place.address, resume=5.0) as other:
        yield one, other


def at(client, server):
    client.url = Client(server).url
    return client


async def problem_of(client):
    with pytest.raises(ConnectionClosed):
        while True:
            await client.next()
    return client.frames[-1]["code"]


async def speaking(server):
    """Return a client that has been told something, and says more."""
    client = await Client(server).open()
    await client.play(speech(), upto=100_000)
    await client.until("commit")
    return client


@pytest.mark.parametrize("attached", [True, False])
def test_a_client_resumes_at_another_server_while_the_first_thinks_the_session_its_own(
    two, attached
):
    one, other = two

    async def talk():
        client = await Client(one).open()
        await client.play(speech(), upto=150_000)
        await client.until("commit")
        before = client.socket
        if not attached:
            before.transport.abort()
        await at(client, other).resume()
        if attached:
            with pytest.raises(ConnectionClosed):
                while True:
                    last = json.loads(await before.recv())
            assert last["code"] == "replaced" and last["type"] == "error"
        await client.play(speech())
        text = await client.finish()
        while one.registry._sessions:
            await asyncio.sleep(0.05)
        return text

    assert run(talk()) == EVERYTHING


@pytest.mark.parametrize("turns", [(one, 3) for one in range(40_000, 200_000, 40_000)])
def test_a_client_that_goes_to_and_fro_misses_nothing_and_hears_nothing_twice(two, turns):
    step, rounds = turns

    async def talk():
        client = await Client(two[0]).open()
        for number in range(rounds * 2):
            await client.play(speech(), upto=min(len(speech()), step * (number + 1)))
            await at(client, two[(number + 1) % 2]).resume()
        await client.play(speech())
        return await client.finish()

    assert run(talk()) == EVERYTHING


@pytest.mark.parametrize("languages", [["de", "it"], ["it", "zh", "de"]])
def test_all_languages_of_a_session_go_on_at_another_server(two, languages):
    def texts_of(client):
        commits = [event for event in client.events if event["type"] == "commit"]
        said_in = {to: "".join(e["text"] for e in commits if e["to"] == to) for to in languages}
        return {to: "".join(text.split()) for to, text in said_in.items()}

    async def talk(moves):
        client = await Client(two[0]).open(version=2, to=languages)
        for number in range(moves):
            await client.play(speech(), upto=70_000 * (number + 1))
            await client.until("commit")
            await at(client, two[(number + 1) % 2]).resume(version=2)
        await client.play(speech())
        await client.finish()
        return texts_of(client)

    undisturbed = run(talk(0))
    assert run(talk(3)) == undisturbed and all(undisturbed.values())


def test_a_client_that_comes_straight_back_is_not_given_what_another_server_took(two):
    async def talk():
        client = await Client(two[0]).open()
        await client.play(speech(), upto=150_000)
        for _ in range(3):  # all that was sent is said, so that nothing is written meanwhile
            await client.until("status")
        await at(client, two[1]).resume()
        await client.play(speech(), upto=200_000)
        for _ in range(2):
            await client.until("status")
        stale = two[0].registry._sessions.get(client.hello["session"])
        await at(client, two[0]).resume()
        assert two[0].registry._sessions[client.hello["session"]] is not stale
        await client.play(speech())
        return await client.finish()

    with patch("alignatt4llm.serve.keeping._SELDOM", 3600.0):
        assert run(talk()) == EVERYTHING


def waiting_in(registry, where, monkeypatch):
    """Let resumptions wait at a point; return what lets them go on, and what tells their end."""
    go_on, over = threading.Event(), threading.Event()
    work, resume = getattr(registry, where), registry.resume

    async def late(*known):
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        return await work(*known)

    async def resumed(*known):
        try:
            return await (late if where == "resume" else resume)(*known)
        finally:
            over.set()

    monkeypatch.setattr(registry, where, late)
    monkeypatch.setattr(registry, "resume", resumed)
    return go_on, over


@pytest.mark.parametrize("where", ["_ours", "_take_over", "resume"])
@pytest.mark.parametrize(("sends", "leaves"), [(0, "close"), (3, "close"), (0, "abort")])
@pytest.mark.parametrize("back_at", [0, 1])
def test_a_client_that_gave_a_busy_server_up_is_not_served_there_later(
    two, monkeypatch, where, sends, leaves, back_at
):
    async def talk():
        client = await Client(two[0]).open()
        await client.play(speech(), upto=150_000)
        await client.until("commit")
        go_on, over = waiting_in(two[1].registry, where, monkeypatch)
        gone = await Client(two[1]).connect()
        known = {key: client.hello[key] for key in ("session", "key")}
        await gone.say({"type": "resume", "version": 1, "seq": 0, "position": 0, **known})
        for number in range(sends):
            await gone.say({"type": "ping", "id": number})
        gone.socket.transport.abort() if leaves == "abort" else await gone.socket.close()
        await asyncio.sleep(0.3)  # the busy server is told
        monkeypatch.undo()
        resuming = asyncio.ensure_future(at(client, two[back_at]).resume())
        if (where, back_at) != ("_take_over", 1):  # else it waits behind the one who left
            await resuming
        go_on.set()
        await resuming
        await asyncio.to_thread(over.wait)
        await client.play(speech())
        return await client.finish()

    assert run(talk()) == EVERYTHING


def test_an_ended_session_is_told_at_the_other_server(two):
    async def talk():
        client = await Client(two[0]).open()
        await client.play(speech())
        await client.finish()
        client.seq, client.events = 3, client.events[:3]
        await client.connect()
        known = {key: client.hello[key] for key in ("session", "key")}
        at(client, two[1])
        await client.connect()
        await client.say(
            {"type": "resume", "version": 1, "seq": 3, "position": client.settled, **known}
        )
        assert (await client.until("resumed"))["ended"]
        await client.until("end")
        return client.text

    assert run(talk()) == EVERYTHING


def sse(text):
    """Read Server-Sent Events."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            yield fields["event"], json.loads(fields["data"])


@pytest.mark.parametrize("path", ["/watch/{}/events", "/captions/{}"])
@pytest.mark.parametrize("comes", ["before", "amid"])
def test_listeners_of_another_server_follow_what_is_said(two, path, comes):
    one, other = two

    async def listen(session):
        address = f"http://127.0.0.1:{other.port}{path.format(session)}"
        async with httpx.AsyncClient(timeout=30) as web:
            text = ""
            while '"end"' not in text and "event: over" not in text:
                seen = [line[4:] for line in text.splitlines() if line.startswith("id: ")]
                asked = {"accept": "text/event-stream", "last-event-id": (["0", *seen])[-1]}
                async with web.stream("GET", address, headers=asked) as answer:
                    async for more in answer.aiter_text():
                        text += more
        return text

    async def talk():
        client = await Client(one).open()
        session = client.hello["session"]
        if comes == "amid":
            await client.play(speech(), upto=150_000)
            await client.until("commit")
        listening = asyncio.ensure_future(listen(session))
        await client.play(speech(), upto=200_000)
        await client.until("commit")
        await client.play(speech())
        await client.finish()
        return await listening

    events = [*sse(run(talk()))]
    commits = [data for kind, data in events if kind == "commit"]
    text = "".join("".join(data["parts"]) if "parts" in data else data["text"] for data in commits)
    assert text.strip() == EVERYTHING


@pytest.mark.parametrize("pause", ["silent", "away", "once more"])
@pytest.mark.parametrize("begun", [False, True])
def test_captions_of_another_server_outlast_pauses(two, monkeypatch, pause, begun):
    one, other = two
    for name in ("_ALIVE", "_LINGER"):
        monkeypatch.setattr(f"alignatt4llm.serve.captions.{name}", 0.05, raising=False)

    async def talk():
        client = await Client(one).open()
        if begun:
            await client.play(speech(), upto=150_000)
            await client.until("commit")
        address = f"http://127.0.0.1:{other.port}/captions/{client.hello['session']}"
        asked = {"accept": "text/event-stream", "last-event-id": "0"}
        async with (
            httpx.AsyncClient(timeout=30) as web,
            web.stream("GET", address, headers=asked) as answer,
        ):
            lines = answer.aiter_lines()
            for _ in range(5):
                assert await until_alive(lines)
            if pause == "away":
                client.socket.transport.abort()
            if pause != "silent":
                await client.resume()
            await client.play(speech())
            await client.finish()
            return [line async for line in lines]

    assert "event: end" in run(talk())


async def until_alive(lines):
    async for line in lines:
        if line == ": alive":
            return True
    return False


def test_captions_of_a_session_that_moves_here_end_so_that_viewers_ask_again(two):
    one, other = two

    async def talk():
        client = await Client(one).open()
        address = f"http://127.0.0.1:{other.port}/captions/{client.hello['session']}"
        asked = {"accept": "text/event-stream"}
        async with (
            httpx.AsyncClient(timeout=30) as web,
            web.stream("GET", address, headers=asked) as answer,
        ):
            lines = answer.aiter_lines()
            assert await until_alive(lines)
            await at(client, other).resume()
            rest = [line async for line in lines]
        await client.play(speech())
        await client.finish()
        return rest

    assert "event: end" not in run(talk())


def test_a_transcript_is_the_same_at_every_server_and_grows(two):
    one, other = two

    def text(server, session):
        return httpx.get(f"http://127.0.0.1:{server.port}/transcripts/{session}.txt").text

    async def talk():
        client = await Client(one).open()
        session = client.hello["session"]
        await client.play(speech(), upto=200_000)
        await client.until("close")
        before = await asyncio.to_thread(text, other, session)
        await client.play(speech())
        await client.finish()
        return before, await asyncio.to_thread(text, other, session), text(one, session)

    before, after, own = run(talk())
    assert before.strip() and after == own and after.startswith(before.strip()[:20])
    assert " ".join(after.split()) == EVERYTHING


def test_whoever_asks_is_told_what_is_written_by_then(two):
    one, other = two

    async def asked(session):
        work = other.registry.broadcast(session)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, other.loop))

    async def talk():
        client = await Client(one).open()
        await client.play(speech(), upto=150_000)
        await client.until("commit")
        first = await asked(client.hello["session"])
        await client.play(speech())
        await client.finish()
        second = await asked(client.hello["session"])
        assert second is first and (second.journal.last, second.journal.ended) == (client.seq, True)

    run(talk())
