"""Journals that a disk has damaged: whoever asks is told in a sentence."""

import json

import httpx
import pytest
from serve_harness import Client, run, serving, speech
from websockets.exceptions import ConnectionClosed


def first_line(change):
    """Return what changes the beginning of a file, which other lines follow."""

    def damage(data):
        first, rest = data.split(b"\n", 1)
        return change(first) + b"\n" + rest

    return damage


def without(key):
    return first_line(lambda line: json.dumps(left_out(json.loads(line), key)).encode())


def left_out(header, key):
    return {name: value for name, value in header.items() if name != key}


def changed(**parts):
    return first_line(lambda line: json.dumps({**json.loads(line), **parts}).encode())


DAMAGES = {
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "no newline": lambda data: data.split(b"\n")[0],
    "first line lost": lambda data: data.split(b"\n", 1)[1],
    "first line empty": first_line(lambda line: b""),
    "half of it": first_line(lambda line: line[: len(line) // 2]),
    "not UTF-8": first_line(lambda line: b"\xff" + line[1:]),
    "a list": first_line(lambda line: b"[3]"),
    "a number": first_line(lambda line: b"3"),
    "a string": first_line(lambda line: b'"format"'),
    "null": first_line(lambda line: b"null"),
    "deep": first_line(lambda line: b"[" * 100_000),
    "unknown language": changed(to=["de", "xx"]),
    "no languages": changed(to=[]),
    "one language": changed(to="de"),
    "unknown source": changed(**{"from": "xx"}),
    "unknown latency": changed(latency="lowly"),
    "a key of another kind": changed(key_sha256=3),
    "a version of another kind": changed(version="1"),
    **{f"without {key}": without(key) for key in ("format", "from", "to", "version", "latency")},
    "without key": without("key_sha256"),
    "without session": without("session"),
    "without audio": without("audio"),
    "a later line": lambda data: data.replace(b'"type": "commit"', b'"type": "commit', 1),
    "a later line not UTF-8": lambda data: data.replace(b'"text": "', b'"text": "\xff', 1),
    "a later line without text": lambda data: data.replace(b'"text": ', b'"tixt": ', 1),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A session that was kept, and a server that goes on with it."""
    folder = tmp_path_factory.mktemp("transcripts")

    async def talk(server):
        client = await Client(server).open()
        await client.play(speech())
        await client.finish()
        return client

    with serving(folder) as first:
        client = run(talk(first))
    path = folder / f"{client.hello['session']}.jsonl"
    with serving(folder) as second:
        client.url = Client(second).url
        yield second, client, path, path.read_bytes()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_session_whose_journal_is_damaged_is_unknown(kept, damage, caplog):
    server, client, path, data = kept
    path.write_bytes(damage(data))
    known = {key: client.hello[key] for key in ("session", "key")}

    async def come_back():
        await client.connect()
        await client.say({"type": "resume", "version": 1, "seq": 0, "position": 0, **known})
        with pytest.raises(ConnectionClosed):
            while True:
                await client.next()
        return client.frames[-1]

    assert run(come_back())["code"] == "unknown_session"
    for door in ("captions/{}", "transcripts/{}.txt", "watch/{}"):
        address = door.format(known["session"])
        assert httpx.get(f"http://127.0.0.1:{server.port}/{address}").status_code in (200, 404)
    assert not [record for record in caplog.records if record.exc_info]
