"""The audio door: whole conversations with a real server over real sockets."""

import asyncio

from serve_harness import EVERYTHING, Client, run, serving, speech


def test_audio_goes_in_and_everything_comes_out(tmp_path):
    async def talk():
        client = await Client(server).open(trace=True)
        await client.play(speech())
        return client, await client.finish()

    with serving(tmp_path) as server:
        client, text = run(talk())
    assert text == EVERYTHING
    kinds = {frame["type"] for frame in client.frames}
    assert kinds >= {"started", "source", "commit", "preview", "trace", "close", "end"}
