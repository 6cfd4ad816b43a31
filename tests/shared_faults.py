"""What holds while nothing can be kept, and of servers that die; see `shared_journals`."""

import asyncio
import json

import pytest
from serve_harness import EVERYTHING, Client, free_port, run, serving, speech, start_process
from shared_journals import begun
from shared_servers import at, problem_of, speaking

from alignatt4llm.events import Notice
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.journals import journal as journals
from alignatt4llm.serve.lifecycle import State


async def until_notice(client, kind):
    while (frame := await client.until("notice"))["kind"] != kind:
        pass
    return frame


def kinds(client):
    return [frame["kind"] for frame in client.frames if frame["type"] == "notice"]


def test_a_session_goes_on_while_nothing_can_be_kept_and_its_client_is_told_once(place):
    async def talk():
        client = await speaking(server)
        settled, said_before = client.settled, client.seq
        place.fail()
        await client.play(speech(), upto=250_000)
        told = await until_notice(client, "unkept")
        assert "cannot be resumed" in told["text"]
        previews = [frame["text"] for frame in client.frames if frame["type"] == "preview"]
        while "OLD MAPS" not in previews[-1]:  # what is said can be seen, as held
            previews.append((await client.until("preview"))["text"])
        status = await client.until("status")
        assert status["settled"] <= max(settled, 100_000) and client.seq <= said_before + 5
        seen = client.seq
        await client.until("status")
        assert client.seq == seen
        refused = Client(server)
        for wish in (
            {"type": "start", "version": 2, "to": "de"},
            {"type": "resume", "version": 1, "seq": 0, "position": 0}
            | {key: client.hello[key] for key in ("session", "key")},
        ):
            await refused.connect()
            await refused.say(wish)
            assert await problem_of(refused) == "unkept"
            assert refused.socket.close_code == 1013
        place.mend()
        await until_notice(client, "kept")
        await client.play(speech())
        text = await client.finish()
        assert kinds(client) == ["unkept", "kept"]
        return text

    with serving(place.address) as server:
        assert run(talk()) == EVERYTHING


@pytest.mark.parametrize("kinds_told", [["unkept", "kept"], ["unkept"], ["a", "unkept", "b"]])
@pytest.mark.parametrize("times", [1, 2, 50])
def test_who_comes_later_is_told_once_whether_it_is_kept(place, kinds_told, times):
    broadcast = Broadcast(begun(place, place.new_name()))

    async def listen():
        with broadcast.listener(0, trace=False) as early:
            heard = []
            for number in range(times):
                for kind in kinds_told:
                    if kind in ("unkept", "kept") or not number:
                        broadcast.publish(Notice(kind, f"{number}"))
                        heard += [json.loads(line) async for line in early.fresh()]
        with broadcast.listener(0, trace=False) as late:
            return heard, [json.loads(line) async for line in late.fresh()]

    early, late = run(listen())
    states = [kind for kind in kinds_told if kind in ("unkept", "kept")]
    others = [kind for kind in kinds_told if kind not in states]
    assert [notice["kind"] for notice in early] == kinds_told + states * (times - 1)
    assert sorted(notice["kind"] for notice in late) == sorted([*others, states[-1]])
    assert [n["text"] for n in late if n["kind"] in states] == [str(times - 1)]


def test_the_end_waits_until_it_can_be_kept(place):
    async def talk():
        client = await speaking(server)
        place.fail()
        await client.play(speech())
        finishing = asyncio.ensure_future(client.finish())
        await asyncio.sleep(1.5)
        assert not finishing.done()
        place.mend()
        return await finishing

    with serving(place.address) as server:
        assert run(talk()) == EVERYTHING


@pytest.mark.parametrize("why", ["too much waits", "the end cannot be kept", "the client is gone"])
def test_what_could_not_be_kept_is_said_again_when_the_client_resumes(place, monkeypatch, why):
    limits = {"resume": 1.0}
    if why == "too much waits":
        monkeypatch.setattr(journals, "MOST_WAITING", 5)

    async def talk():
        client = await speaking(server)
        place.fail()
        await client.play(speech(), upto=150_000)
        if why != "too much waits":
            await until_notice(client, "unkept")
        if why == "the client is gone":
            client.socket.transport.abort()
        else:
            await client.play(speech())
            if why == "the end cannot be kept":
                await client.say({"type": "end"})
            assert await problem_of(client) == "unkept"
        while server.registry._sessions:
            await asyncio.sleep(0.05)
        place.mend()
        await asyncio.sleep(0.3)
        await client.resume()
        await client.play(speech())
        return await client.finish()

    with serving(place.address, **limits) as server:
        assert run(talk()) == EVERYTHING


def test_a_session_whose_client_could_not_come_back_is_not_ended(place):
    async def talk():
        client = await speaking(server)
        place.fail()
        await client.play(speech(), upto=150_000)
        await until_notice(client, "unkept")
        client.socket.transport.abort()
        [session] = server.registry._sessions.values()
        while session.life.state in (State.WAITING, State.ATTACHED):
            await asyncio.sleep(0.02)
        place.mend()
        while server.registry._sessions:
            await asyncio.sleep(0.02)
        await client.resume()
        await client.play(speech())
        return await client.finish()

    with serving(place.address, resume=3.0) as server:
        assert run(talk()) == EVERYTHING


@pytest.mark.parametrize("late", [0.5, 0.9, 0.999])
def test_a_client_that_could_not_come_back_is_waited_for_anew(place, late):
    """It waited for nearly as long as it may when what is said could be kept again."""
    resume = 1000.0

    async def talk():
        client = await speaking(server)
        place.fail()
        await client.play(speech(), upto=150_000)
        await until_notice(client, "unkept")
        client.socket.transport.abort()
        [session] = server.registry._sessions.values()
        while session.life.state is not State.WAITING:
            await asyncio.sleep(0.02)
        session.life._active -= late * resume
        place.mend()
        while session.broadcast.journal.trouble or session.broadcast.journal.waiting:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(session.keep)
        session.life._active -= (1 - late / 2) * resume
        server.registry.look_after()
        await client.resume()
        await client.play(speech())
        return await client.finish()

    with serving(place.address, resume=resume) as server:
        assert run(talk()) == EVERYTHING


def test_a_session_that_is_taken_over_while_its_server_cannot_write_says_nothing_twice(two, place):
    one, other = two

    async def talk():
        client = await speaking(one)
        place.fail()
        await client.play(speech(), upto=200_000)
        await until_notice(client, "unkept")
        place.mend(soon=one)
        await at(client, other).resume()
        await client.play(speech())
        return await client.finish()

    assert run(talk()) == EVERYTHING


# Processes that die


def killed(process):
    process.kill()
    process.wait()
    process.stderr.close()


def test_all_speakers_of_a_server_that_is_killed_go_on_at_once(place):
    ports = free_port(), free_port()
    first, second = (start_process(place.address, port) for port in ports)

    async def talk(number, dead):
        client = await Client(ports[0]).open()
        await client.play(speech(), upto=60_000 + 20_000 * number)
        await client.until("commit")
        dead.count -= 1
        if not dead.count:
            killed(first)
            dead.set()
        await dead.wait()
        await at(client, ports[1]).resume()
        await client.play(speech())
        return await client.finish()

    async def all_of_them():
        dead = asyncio.Event()
        dead.count = 6
        return await asyncio.gather(*(talk(number, dead) for number in range(6)))

    try:
        assert run(all_of_them()) == [EVERYTHING] * 6
    finally:
        killed(first)
        killed(second)
