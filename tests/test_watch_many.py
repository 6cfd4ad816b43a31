"""A thousand listeners on one session, and one that never reads."""

import asyncio
import json
import socket

import pytest
from journals import created
from serve_harness import EVERYTHING, Client, run, serving, speech

from alignatt4llm.events import Commit, End
from alignatt4llm.serve.descriptors import raise_limit
from alignatt4llm.serve.feed import PAGE

MANY = 1000


class Listener:
    """A bare client of the feed, without anything that could be slow itself."""

    def __init__(self, server, session):
        self.address = "127.0.0.1", server.port
        self.asked = f"GET /watch/{session}/events HTTP/1.0\r\nHost: localhost\r\n\r\n"

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection(*self.address)
        self.writer.write(self.asked.encode())
        await self.reader.readuntil(b"event: session")
        return self

    async def rest(self):
        """Return what was said until the server ends the feed."""
        text, numbers = "", []
        while line := await self.reader.readline():
            if line.startswith(b"id: "):
                numbers.append(int(line[4:]))
            if line.startswith(b'data: {"parts"'):
                text += "".join(json.loads(line[6:])["parts"])
        self.writer.close()
        return text, numbers


def deaf(server, session):
    """Ask for the feed and never read it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(Listener(server, session).asked.encode())
    return connection


@pytest.mark.parametrize("latecomers", [0, 50])
def test_a_thousand_listeners_are_told_everything(tmp_path, latecomers):
    async def all_of_them():
        client = await Client(server).open()
        session = client.hello["session"]
        with deaf(server, session):
            first = [Listener(server, session) for _ in range(MANY - latecomers)]
            await asyncio.gather(*(one.open() for one in first))
            reading = [asyncio.ensure_future(one.rest()) for one in first]
            await client.play(speech(), upto=100_000)
            await client.until("commit")
            late = [await Listener(server, session).open() for _ in range(latecomers)]
            reading += [asyncio.ensure_future(one.rest()) for one in late]
            while sum((await client.until("status"))["listeners"].values()) <= MANY:
                await asyncio.sleep(0)
            await client.play(speech())
            await client.finish()
            return await asyncio.gather(*reading)

    raise_limit()
    with serving(tmp_path) as server:
        heard = run(all_of_them(), 200)
    assert len(heard) == MANY
    assert {text for text, _ in heard} == {EVERYTHING}
    assert len({tuple(numbers) for _, numbers in heard}) == 1


def long_session(folder, commits, length):
    header = {
        "session": "a-very-long-session",
        "pair": "en-de",
        "from": "en",
        "to": ["de"],
        "audio": "s16le",
        "latency": "medium",
        "version": 2,
        "key_sha256": "",
    }
    journal = created(folder / "a-very-long-session.jsonl", header)
    for number in range(commits):
        journal.append(Commit(f" {number:0{length}d}", 0, number, number, 0))
    journal.append(End(float(commits), 1.0, 1.0, 1.0))
    journal.close()


def test_who_does_not_read_costs_a_bounded_buffer_and_keeps_nobody_waiting(tmp_path):
    length, commits = 2000, 4000
    long_session(tmp_path, commits, length)

    async def reads():
        return await (await Listener(server, "a-very-long-session").open()).rest()

    def waiting():
        return [
            connection.transport.get_write_buffer_size()
            for connection in list(server.server_state.connections)
        ]

    with serving(tmp_path) as server, deaf(server, "a-very-long-session"):
        text, numbers = run(reads())
        buffers = waiting()
    assert len(text) == commits * (length + 1) and numbers == [*range(1, commits + 1)]
    stretch = PAGE * (length + 200)
    assert 0 < max(buffers) <= 2 * stretch < len(text) / 4
