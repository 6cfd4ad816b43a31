"""A client of the text door, for tests."""

import json

import websockets
from serve_harness import run

SENTENCE = "the old house by the river was sold."


def words(text, start=0.0):
    return [[w, start + 400 * i, start + 400 * i + 300] for i, w in enumerate(text.split())]


class TextClient:
    def __init__(self, server, path="/text"):
        self.url = f"ws://127.0.0.1:{server.port}{path}"
        self.seq = 0

    async def open(self, **init):
        self.socket = await websockets.connect(self.url)
        first = {"type": "init", "protocol_version": 1, "source_lang": "en", "target_lang": "de"}
        return await self.ask({**first, **init})

    async def ask(self, message):
        await self.socket.send(message if isinstance(message, str) else json.dumps(message))
        return json.loads(await self.socket.recv())

    async def update(self, said, utterance=0, **more):
        self.seq += 1
        update = {"type": "update", "seq": self.seq, "utterance_id": utterance, "words": said}
        update["clock_ms"] = max([0, *(word[2] or 0 for word in said)])
        return await self.ask({**update, **more})


def conversation(server, work, path="/text"):
    async def whole():
        client = TextClient(server, path)
        try:
            return await work(client)
        finally:
            await client.socket.close()

    return run(whole())
