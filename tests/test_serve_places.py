"""Places: whatever a client does, its place comes back; what is refused changes nothing."""

import asyncio
import random
import time
from contextlib import suppress

import pytest
from breaking import FAREWELL, Breaking, frame
from serve_harness import EVERYTHING, Client, free_port, run, serving, speech

START = {"type": "start", "version": 1, "to": "de"}
BREAKS = {"sessions": 8, "hello": 0.5, "idle": 3, "resume": 0.2, "send": 1, "heartbeat": 0.2}


async def all_free(server, seconds=10):
    deadline = time.monotonic() + seconds
    while server.registry.taken and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert server.registry.taken == 0


async def eight_honest_clients(server):
    clients = [await Client(server).open() for _ in range(8)]
    assert server.registry.taken == 8

    async def talk(client):
        await client.play(speech())
        return await client.finish()

    return await asyncio.gather(*map(talk, clients))


def test_a_client_that_is_gone_before_it_is_answered_gives_its_place_back(tmp_path):
    async def talk():
        for _ in range(8):
            async with Breaking(server.port) as client:
                await client.upgrade()
                client.write(frame(START) + FAREWELL)
                assert await client.hear() is None
        await all_free(server)
        return await eight_honest_clients(server)

    with serving(tmp_path, **BREAKS) as server:
        assert run(talk()) == [EVERYTHING] * 8


@pytest.mark.parametrize("wrong", [{"position": 2**40}, {"key": "x"}, {"version": 2}])
def test_a_resume_that_is_refused_leaves_the_rightful_client_where_it_is(tmp_path, wrong):
    async def talk():
        audio = speech()
        rightful = await Client(server).open()
        await rightful.play(audio, upto=100_000)
        other = Client(server)
        other.hello = rightful.hello
        with pytest.raises(
            AssertionError, match=r"too_long|unknown_session|bad_message|wrong_version"
        ):
            await other.resume(**wrong)
        await rightful.play(audio)
        text = await rightful.finish()
        await all_free(server)
        return text

    with serving(tmp_path) as server:
        assert run(talk()) == EVERYTHING


def test_a_refused_resume_from_disk_takes_no_place_and_hinders_nobody(tmp_path):
    async def begin():
        client = await Client(server).open()
        await client.play(speech(), upto=100_000)
        return client

    async def go_on(client):
        with pytest.raises(AssertionError, match="too_long"):
            await client.resume(position=2**40)
        assert server.registry.taken == 0
        await client.resume()
        await client.play(speech())
        return await client.finish()

    port = free_port()
    with serving(tmp_path, port=port) as server:
        client = run(begin())
    with serving(tmp_path, port=port) as server:
        assert run(go_on(client)) == EVERYTHING


def test_two_resumes_of_one_session_at_once_give_one_session(tmp_path):
    async def begin():
        client = await Client(server).open()
        await client.play(speech(), upto=100_000)
        return client

    async def twin(known):
        client = Client(server)
        client.hello = known.hello
        return await client.resume()

    async def go_on(known):
        twins = await asyncio.gather(twin(known), twin(known))
        assert server.registry.taken == 1
        talks = [finish(client) for client in twins]
        return await asyncio.gather(*talks, return_exceptions=True)

    async def finish(client):
        await client.play(speech())
        return await client.finish()

    with serving(tmp_path) as server:
        known = run(begin())
    with serving(tmp_path) as server:
        texts = run(go_on(known))
    assert EVERYTHING in texts
    assert sum(isinstance(text, Exception) for text in texts) == 1


def test_those_who_come_at_once_get_as_many_places_as_there_are(tmp_path):
    async def ask():
        client = await Client(server).connect()
        await client.say(START)
        frame = await client.next()
        return frame.get("code", frame["type"])

    async def everybody():
        return await asyncio.gather(*(ask() for _ in range(12)))

    with serving(tmp_path, sessions=3) as server:
        answers = run(everybody())
    assert sorted(answers) == ["busy"] * 9 + ["started"] * 3


async def break_somewhere(port, chance):
    """Connect, go through the protocol as far as chance has it, and break."""
    known = {"session": "abcdefghijklmnop", "key": "x"}
    async with Breaking(port) as client:
        if chance.random() < 0.1:
            return await client.upgrade(cut=chance.randrange(150))
        await client.upgrade()
        if chance.random() < 0.1:
            return None
        client.say(START, cut=chance.choice([None, None, None, chance.randrange(1, 40)]))
        if chance.random() < 0.4:
            return end(client, chance)
        hello = await asyncio.wait_for(client.hear(), 10) or {}
        known = {key: hello.get(key, value) for key, value in known.items()}
        client.say(bytes(3200), cut=chance.choice([None, 2, 500]))
        if chance.random() < 0.3:
            client.half_close()
            await asyncio.sleep(0.01)
        end(client, chance)
    async with Breaking(port) as client:
        await client.upgrade()
        wrong = chance.choice([{}, {"key": "wrong"}, {"position": 2**40}, {"position": 6400}])
        client.say({"type": "resume", "version": 1, **known, "seq": 0, "position": 0, **wrong})
        if chance.random() < 0.5:
            await asyncio.wait_for(client.hear(), 10)
        return end(client, chance)


def end(client, chance):
    if chance.random() < 0.5:
        client.reset()


async def break_many(server, count):
    chance, turns = random.Random(7), asyncio.Semaphore(40)

    async def one():
        async with turns:
            with suppress(ConnectionError, asyncio.IncompleteReadError):  # the server was quicker
                await break_somewhere(server.port, chance)

    await asyncio.gather(*(one() for _ in range(count)))
    await all_free(server)
    return await eight_honest_clients(server)


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_after_connections_that_broke_anywhere_eight_clients_are_admitted(tmp_path, count, caplog):
    with serving(tmp_path, **BREAKS) as server:
        texts = run(break_many(server, count), 600)
    assert texts == [EVERYTHING] * 8
    assert not [record for record in caplog.records if record.exc_info]
