"""What must outlive a server, a session or a connection: words, positions and those who watch."""

import asyncio
import io
import wave

import httpx
import numpy as np
import pytest
from serve_harness import EVERYTHING, Client, free_port, run, s16le, serving, speech
from websockets.exceptions import ConnectionClosed

from alignatt4llm.recognizers.tones import SCRIPT, tones
from alignatt4llm.serve.captions import Captions
from alignatt4llm.serve.errors import EngineFailed

STREAM = {"accept": "text/event-stream"}


def wav(samples):
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(s16le(samples))
    return held.getvalue()


async def parted(client):
    with pytest.raises(ConnectionClosed):
        while True:
            await client.next()
    return client.frames[-1]["code"]


@pytest.mark.parametrize("words", [12, 20, 23])
def test_a_container_that_is_cut_by_a_restart_loses_nothing(tmp_path, words):
    before, after = tones(range(words)), tones(range(words, len(SCRIPT)))

    async def until_it_stops(port, server):
        client = await Client(port).open(audio="container", latency="high")
        await client.play(wav(before))
        while (await client.until("status"))["lag_s"] or not client.frames[-1]["audio_s"]:
            pass
        server.loop.call_soon_threadsafe(server.drain)
        assert await parted(client) == "draining"
        return client

    async def and_on(client):
        await client.resume(position=0)
        assert client.sent == 0
        await client.play(wav(after))
        return await client.finish()

    port = free_port()
    with serving(tmp_path, port=port) as server:
        client = run(until_it_stops(port, server))
    assert not any(event["type"] == "end" for event in client.events)
    with serving(tmp_path, port=port):
        assert run(and_on(client)) == EVERYTHING


def test_who_watches_comes_back_before_the_speaker_does(tmp_path):
    async def speak(port):
        client = await Client(port).open()
        await client.play(speech(), upto=150_000)
        await client.until("commit")
        return client

    port = free_port()
    with serving(tmp_path, port=port) as server:
        client = run(speak(port))
        address = f"http://127.0.0.1:{port}/captions/{client.hello['session']}"
        last = server.registry._sessions[client.hello["session"]].broadcast.journal
    asked = {**STREAM, "last-event-id": str(last.last)}
    with serving(tmp_path, port=port):

        async def end():
            await client.resume()
            await client.play(speech())
            await client.finish()

        with httpx.stream("GET", address, headers=asked) as feed:
            lines = feed.iter_lines()
            assert (feed.status_code, next(lines)[:6]) == (200, "retry:")
            run(end())
            assert "event: end" not in lines  # it ends, and whoever watches asks again
        ended = {**STREAM, "last-event-id": str(client.seq)}
        assert httpx.get(address, headers=ended).status_code == 204


def test_who_watches_slowly_is_sent_to_the_session_that_goes_on(tmp_path):
    async def lag(registry, session):
        """Be in the middle of a feed when its session fails."""
        feed = Captions(registry)._stream(await registry.broadcast(session), 0, "")
        await anext(feed)
        registry._sessions[session].stop(EngineFailed("It broke."))
        while session in registry._sessions:
            await asyncio.sleep(0.01)
        return feed

    async def rest(feed):
        return [frame async for frame in feed]

    async def there(work):
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, server.loop))

    async def both():
        client = await Client(server).open()
        await client.play(speech(), upto=150_000)
        await client.until("commit")
        feed = await there(lag(server.registry, client.hello["session"]))
        await client.resume()
        await client.play(speech(), upto=200_000)
        await client.until("commit")
        frames = await asyncio.wait_for(there(rest(feed)), 5)
        await client.play(speech())
        return frames, await client.finish()

    with serving(tmp_path) as server:
        frames, text = run(both())
    assert frames and text == EVERYTHING


@pytest.mark.parametrize("kept", [100, 101, 102, 103, 1001])
def test_no_byte_is_asked_for_before_the_first_one_kept(tmp_path, kept):
    async def lose():
        client = await Client(server).open()
        await client.say(bytes(101))
        while server.registry._sessions[client.hello["session"]].received < 101:
            await asyncio.sleep(0.01)
        await client.socket.close()
        await client.resume(position=kept)
        return client.sent

    with serving(tmp_path) as server:
        asked = run(lose())
    assert asked == 101 if kept <= 101 else asked in (kept, kept + 1) and asked % 2 == 0


def test_what_was_not_kept_is_silence_of_whole_samples(tmp_path):
    audio = s16le(np.concatenate([tones(range(4)), np.zeros(1601, np.float32), tones(range(4, 8))]))
    lost = len(s16le(tones(range(4)))) + 1

    async def lose():
        client = await Client(server).open()
        await client.play(audio, upto=lost)
        await client.socket.close()
        await client.resume(position=lost + 2)
        await client.play(audio)
        return await client.finish()

    with serving(tmp_path) as server:
        assert run(lose()) == " ".join(SCRIPT[:8]).upper()
