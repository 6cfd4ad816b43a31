"""Reading along a session of several languages, which come and go while it runs."""

import json

import httpx
import pytest
from serve_harness import Client, run, serving, speech

MANY = ["de", "it", "zh"]


def events_of(text, kind):
    blocks = [block for block in text.split("\n\n") if f"event: {kind}\n" in block]
    return [json.loads(block.rpartition("data: ")[2]) for block in blocks]


def said(text):
    return "".join("".join(commit["parts"]) for commit in events_of(text, "commit"))


async def spoken(server, rest=()):
    client = await Client(server).open(version=2, to=MANY[:1] if rest else MANY)
    await client.play(speech(), upto=60_000)
    for code in rest:
        await client.say({"type": "add", "to": code})
    await client.play(speech())
    await client.finish()
    return client


async def along(server, rest, codes):
    client = await spoken(server, rest)
    address = f"http://127.0.0.1:{server.port}/watch/{client.hello['session']}/events"
    async with httpx.AsyncClient() as http:
        texts = {code: (await http.get(address, params={"to": code})).text for code in codes}
        return client, texts, await http.get(address, params={"to": "fr"})


@pytest.mark.parametrize("rest", [(), MANY[1:]], ids=["from the start", "added"])
def test_each_language_is_read_by_itself(tmp_path, rest):
    with serving(tmp_path) as server:
        client, texts, wrong = run(along(server, rest, MANY))
    commits = [event for event in client.events if event["type"] == "commit"]
    for code, text in texts.items():
        whole = "".join(event["text"] for event in commits if event["to"] == code)
        assert said(text) == whole != ""
        assert [target["code"] for target in events_of(text, "session")[-1]["to"]] == MANY
        assert events_of(text, "over") == [{}]
        closes = [e for e in client.events if e["type"] == "close" and e["to"] == code]
        assert [e["source"] for e in events_of(text, "close")] == [e["source"] for e in closes]
    assert wrong.status_code == 404


def test_who_listens_is_told_of_languages_that_are_added(tmp_path):
    async def both():
        client = await Client(server).open(version=2, to=["de"])
        address = f"http://127.0.0.1:{server.port}/watch/{client.hello['session']}/events"
        async with (
            httpx.AsyncClient(timeout=30) as http,
            http.stream("GET", address) as stream,
        ):
            await client.play(speech(), upto=60_000)
            await client.say({"type": "add", "to": "it"})
            await client.play(speech())
            await client.finish()
            return (await stream.aread()).decode()

    with serving(tmp_path) as server:
        headings = events_of(run(both()), "session")
    assert [[each["code"] for each in heading["to"]] for heading in headings] == [
        ["de"],
        ["de", "it"],
    ]
