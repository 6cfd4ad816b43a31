"""What the audio door refuses, and what ends a conversation or a session."""

import asyncio

import pytest
from serve_harness import (
    Client,
    run,
    serving,
    speech,
)
from websockets.exceptions import ConnectionClosed


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "bad_message"),
        ("[]", "bad_message"),
        ('"start"', "bad_message"),
        ("[" * 100_000, "bad_message"),
        ('{"type": "dance"}', "bad_message"),
        ('{"type": "start", "version": 3, "to": "de"}', "bad_message"),
        ('{"type": "start", "version": "1", "to": "de"}', "bad_message"),
        ('{"type": "start", "version": 1}', "bad_message"),
        ('{"type": "start", "version": 1, "to": 7}', "bad_message"),
        ('{"type": "start", "version": 1, "to": "de", "latency": "warp"}', "bad_message"),
        ('{"type": "start", "version": 1, "to": "de", "colour": "red"}', "bad_message"),
        ('{"type": "start", "version": 1, "to": "de", "trace": 1}', "bad_message"),
        ('{"type": "ping", "id": NaN}', "bad_message"),
        ('{"type": "ping", "id": -1}', "bad_message"),
        ('{"type": "end"}', "bad_state"),
        (b"\0\0", "bad_state"),
        (b"", "bad_message"),
        (b"\0" * 300_000, "too_large"),
    ],
)
def test_every_bad_message_gets_an_error_and_the_conversation_goes_on(tmp_path, message, code):
    async def talk():
        other = await Client(server).connect()
        await other.socket.send(message)
        error = await other.next()
        await other.say({"type": "start", "version": 1, "to": "de"})
        await other.until("started")
        await other.play(speech(range(3)))
        return error, await other.finish()

    with serving(tmp_path) as server:
        error, text = run(talk())
    assert (error["type"], error["code"], error["fatal"]) == ("error", code, False)
    assert text == "GOOD MORNING EVERYONE"


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"to": "tlh"}, "unsupported_direction"),
        ({"to": "cs"}, "unsupported_direction"),
        ({"from": "de", "to": "en"}, "unsupported_direction"),
    ],
)
def test_what_cannot_be_translated_is_refused(tmp_path, wish, code):
    async def talk():
        with pytest.raises(AssertionError, match=code):
            await Client(server).open(**wish)

    with serving(tmp_path) as server:
        run(talk())


def test_errors_without_end_end_the_conversation(tmp_path):
    async def talk():
        client = await Client(server).open()
        for _ in range(5):
            await client.say("nonsense")
        with pytest.raises(ConnectionClosed):
            while True:
                await client.next()
        return client.frames[-1]

    with serving(tmp_path, errors=5) as server:
        assert run(talk())["code"] == "too_many_errors"


def test_a_frame_beyond_all_measure_closes_with_1009(tmp_path):
    async def talk():
        client = await Client(server).open()
        with pytest.raises(ConnectionClosed):
            await client.say(bytes(1 << 21))
            while True:
                await client.next()
        return client.socket.close_code

    with serving(tmp_path) as server:
        assert run(talk()) == 1009


def test_no_more_sessions_than_places(tmp_path):
    async def talk():
        first = await Client(server).open()
        with pytest.raises(AssertionError, match="busy"):
            await Client(server).open()
        await first.finish()
        while server.registry.taken:
            await asyncio.sleep(0.01)
        await Client(server).open()

    with serving(tmp_path, sessions=1) as server:
        run(talk())


def test_a_client_that_does_not_come_back_gives_its_place_away(tmp_path):
    async def talk():
        client = await Client(server).open()
        await client.play(speech(range(8)))
        await client.socket.close()  # closed, so that all that was sent arrives
        while server.registry.taken:
            await asyncio.sleep(0.02)
        await client.resume()
        await client.until("end")
        return client.text

    with serving(tmp_path, sessions=1, resume=0.3) as server:
        assert run(talk()) == "GOOD MORNING EVERYONE AND THANK YOU FOR COMING."


@pytest.mark.parametrize(
    ("limits", "code"), [({"idle": 0.3, "heartbeat": 0.1}, "idle"), ({"session": 1.5}, "too_long")]
)
def test_a_session_that_is_ended_still_says_its_last_words(tmp_path, limits, code):
    async def talk():
        client = await Client(server).open()
        await client.play(speech(range(8)), size=6400)
        with pytest.raises(ConnectionClosed):
            while True:
                await client.next()
        return client

    with serving(tmp_path, **limits) as server:
        client = run(talk())
    assert client.frames[-1]["code"] == code
    assert client.events[-1]["type"] == "end"
    assert client.text.endswith("COMING.")
