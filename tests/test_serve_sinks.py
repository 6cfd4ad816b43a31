"""Captions of the server's sessions go where the one who runs it says, and nowhere else."""

import json
import threading
from contextlib import suppress

import pytest
from caption_services import Webhook, YouTube, listening
from serve_harness import EVERYTHING, Client, free_port, run, serving, speech, start_process
from test_hls import listed, shown
from websockets.exceptions import ConnectionClosed

from alignatt4llm.outputs.sinks.base import Sink
from alignatt4llm.outputs.sinks.delivery import Patience
from alignatt4llm.outputs.sinks.kept import read_undelivered
from alignatt4llm.outputs.sinks.table import SINKS, Destination, SinkKind
from alignatt4llm.serve.captioning import Captioning

QUICK = Patience(first=0.001, most=0.004, flush=20.0)


def captioning(folder, *addresses, patience=QUICK):
    return Captioning(tuple(map(Destination.parse, addresses)), folder / "kept", patience)


def signs(text):
    """A text without its spaces, which Chinese does not have."""
    return "".join(text.split())


async def spoken(server, audio=None, **wish):
    client = await Client(server).open(**wish)
    await client.play(speech() if audio is None else audio)
    return await client.finish(), client


def words(cues):
    return " ".join(" ".join(lines) for lines in cues)


def test_a_session_goes_to_every_sink(tmp_path):
    youtube, webhook = YouTube(), Webhook()
    with listening(youtube) as one, listening(webhook) as two:
        asked = captioning(
            tmp_path, f"youtube:{one}", f"webhook:{two}", f"hls:{tmp_path}/{{session}}/{{to}}"
        )
        with serving(tmp_path, captioning=asked) as server:
            said, client = run(spoken(server))
    assert said == EVERYTHING
    session = client.hello["session"]
    assert words(youtube.taken.values()) == said
    assert words(content["lines"] for content in webhook.taken.values()) == said
    assert {content["session"] for content in webhook.taken.values()} == {session}
    folder = tmp_path / session / "de"
    cues = {n: text for name in listed(folder) for n, _, text in shown(folder / name)}
    assert words(cues.values()) == said
    assert youtube.faults == webhook.faults == []


def test_sessions_one_after_the_other_are_numbered_on(tmp_path):
    youtube = YouTube()
    with listening(youtube) as address:
        asked = captioning(tmp_path, f"youtube:{address}")
        with serving(tmp_path, captioning=asked) as server:
            for _ in range(2):
                run(spoken(server))
                while asked.busy:
                    threading.Event().wait(0.01)
    assert words(youtube.taken.values()) == f"{EVERYTHING} {EVERYTHING}"
    assert youtube.faults == []


@pytest.mark.parametrize("taken", [0, 1, 3])
@pytest.mark.parametrize("end", ["silent once taken", "reset once taken", "cut once taken"])
def test_a_session_has_no_number_that_the_one_before_may_have_used(tmp_path, taken, end):
    """What the first cue of the next session would otherwise be taken for, and be dropped."""
    youtube = YouTube([*["ok"] * taken, *[end] * 10_000])
    with listening(youtube) as address:
        impatient = Patience(first=0.001, most=0.004, flush=1.0)
        asked = captioning(tmp_path, f"youtube:{address}", patience=impatient)
        with serving(tmp_path, captioning=asked) as server:
            run(spoken(server))
            while asked.busy:
                threading.Event().wait(0.01)
            youtube.script.clear()
            youtube.go_on.set()
            asked._patience = QUICK
            before = youtube.last
            said, _ = run(spoken(server))
    assert before == taken + 1
    assert words(cue for number, cue in youtube.taken.items() if number > before) == said
    assert youtube.faults == []


def test_a_sink_has_one_session_at_a_time_and_others_are_told(tmp_path):
    youtube, webhook = YouTube(), Webhook()

    async def both(server):
        first = await Client(server).open()
        second = await Client(server).open()
        for client in (first, second):
            await client.play(speech())
        await first.finish(), await second.finish()
        return first, second

    with listening(youtube) as one, listening(webhook) as two:
        asked = captioning(tmp_path, f"youtube:{one}", f"webhook:{two}?of={{session}}")
        with serving(tmp_path, captioning=asked) as server:
            clients = run(both(server))
    assert words(youtube.taken.values()) == EVERYTHING
    assert youtube.faults == webhook.faults == []
    assert len({content["session"] for content in webhook.taken.values()}) == 2
    notices = [
        [frame["text"] for frame in client.frames if frame["type"] == "notice"]
        for client in clients
    ]
    told = [text for texts in notices for text in texts if "another session" in text]
    assert len(told) == 1
    assert "cid" not in told[0]


def test_a_sink_of_a_language_has_only_its_sessions(tmp_path):
    webhook = Webhook()
    with listening(webhook) as address:
        asked = captioning(tmp_path, f"it=webhook:{address}")
        with serving(tmp_path, captioning=asked) as server:
            run(spoken(server, to="de"))
            said, _ = run(spoken(server, to="it"))
    assert words(content["lines"] for content in webhook.taken.values()) == said
    assert {content["to"] for content in webhook.taken.values()} == {"it"}


def test_what_was_not_delivered_is_kept_as_long_as_transcripts(tmp_path):
    webhook = Webhook([403] * 100)
    with listening(webhook) as address:
        asked = captioning(tmp_path, f"webhook:{address}/{{session}}")
        with serving(tmp_path, captioning=asked) as server:
            said, _ = run(spoken(server))
    (kept,) = (tmp_path / "kept").iterdir()
    found = read_undelivered(kept)
    assert words(cue.lines for _, cue in found.cues) == said
    asked.tidy(3600.0)
    assert kept.exists()
    asked.tidy(0.0)
    assert not kept.exists()


def test_languages_that_come_and_go_have_their_own_sinks(tmp_path):
    """One sink that all share has the first; what stands behind the language has each."""
    webhook, youtube = Webhook(), YouTube()

    async def talk(server):
        client = await Client(server).open(version=2, to=["de", "it"])
        await client.play(speech(), 10 * 32_000)
        while (await client.until("status"))["audio_s"] < 9:
            pass
        await client.say({"type": "add", "to": "zh"})
        await client.play(speech())
        await client.say({"type": "end"})
        with suppress(ConnectionClosed):
            while True:
                await client.next()
        return client

    with listening(webhook) as one, listening(youtube) as two:
        asked = captioning(tmp_path, f"webhook:{one}&to={{to}}", f"youtube:{two}")
        with serving(tmp_path, captioning=asked) as server:
            client = run(talk(server))
    said = dict.fromkeys(("de", "it", "zh"), "")
    for event in client.events:
        if event["type"] == "commit":
            said[event["to"]] += event["text"]
    sent = {to: [c["lines"] for c in webhook.taken.values() if c["to"] == to] for to in said}
    for to, text in said.items():
        assert signs(words(sent[to])) == signs(text) != ""
    assert signs(words(youtube.taken.values())) in [signs(said["de"]), signs(said["it"])]
    assert youtube.faults == webhook.faults == []
    told = [frame["text"] for frame in client.frames if frame["type"] == "notice"]
    assert sum("another session or language" in text for text in told) == 2


async def ended(client, to):
    while (await client.until("target"))["state"] != "ended" or client.events[-1]["to"] != to:
        pass


@pytest.mark.parametrize("to", ["it", "zh", "de"])
@pytest.mark.parametrize("breaks", [1, 3])
@pytest.mark.parametrize("from_start", [False, True])
def test_a_language_that_comes_again_goes_on_in_its_sinks(tmp_path, to, breaks, from_start):
    """However often; numbers and times go on, and nothing is said twice or to be elsewhere."""
    webhook, youtube = Webhook(), YouTube()

    async def talk(server):
        client = await Client(server).open(version=2, to=["de", "it", "zh"])
        for part in range(1, breaks + 1):
            await client.play(speech(), len(speech()) * part // (breaks + 1))
            await client.until("commit")
            await client.say({"type": "drop", "to": to})
            await ended(client, to)
            await client.say({"type": "add", "to": to, "from_start": from_start})
            await client.until("target")
        await client.play(speech())
        await client.finish()
        return client

    with listening(webhook) as one, listening(youtube) as two:
        asked = captioning(
            tmp_path,
            f"webhook:{one}?to={{to}}",
            f"{to}=youtube:{two}",
            f"hls:{tmp_path}/{{session}}/{{to}}",
        )
        with serving(tmp_path, captioning=asked) as server:
            client = run(talk(server))
    text = "".join(e["text"] for e in client.events if e["type"] == "commit" and e["to"] == to)
    sent = [content for content in webhook.taken.values() if content["to"] == to]
    assert signs(words(content["lines"] for content in sent)) == signs(text) != ""
    assert signs(words(youtube.taken.values())) == signs(text)
    folder = tmp_path / client.hello["session"] / to
    cues = {n: text for name in listed(folder) for n, _, text in shown(folder / name)}
    assert signs(words(cues.values())) == signs(text)
    assert webhook.faults == youtube.faults == []
    assert not any("captions" in frame.get("kind", "") for frame in client.frames)


def test_a_blocked_sink_keeps_no_client_waiting(tmp_path, monkeypatch):
    may = threading.Event()

    class Blocked(Sink):
        def send(self, number, cue):
            may.wait(60)

    monkeypatch.setitem(SINKS, "blocked", SinkKind(lambda *_: Blocked(), "X", lambda *_: None, str))
    asked = captioning(tmp_path, "blocked:x", patience=Patience(flush=60.0))
    with serving(tmp_path, captioning=asked) as server:
        said, _ = run(spoken(server))
        assert said == EVERYTHING
        assert asked.busy and not may.is_set()
        may.set()
    assert not asked.busy  # a server that stops waits for it
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("field", ["caption_sink", "captions", "sinks", "webhook"])
def test_no_client_says_where_captions_go(tmp_path, field):
    webhook = Webhook()
    with listening(webhook) as address, serving(tmp_path) as server:
        client = Client(server)

        async def ask():
            await client.connect()
            wish = {"type": "start", "version": 1, "to": "de", field: f"webhook:{address}"}
            await client.say(wish)
            return json.loads(await client.socket.recv())

        run(ask())
    assert webhook.posts == []


@pytest.mark.parametrize("second", [4, 8, 10, 13, 17])
def test_a_session_that_is_resumed_says_nothing_twice(tmp_path, second):
    """What a stopped server has heard is delivered; the next goes on with what follows."""
    youtube = YouTube()
    audio, port = speech(), free_port()
    with listening(youtube) as address:

        def served():
            asked = captioning(tmp_path, f"youtube:{address}&seq={youtube.last + 1}")
            return serving(tmp_path, port=port, captioning=asked)

        async def begin(server):
            client = await Client(server).open()
            await client.play(audio, second * 32_000)
            while (await client.until("status"))["audio_s"] < second - 1:
                pass
            server.loop.call_soon_threadsafe(server.drain)
            with suppress(ConnectionClosed):
                while True:
                    await client.next()
            return client

        async def end(client):
            await client.resume()
            await client.play(audio)
            return await client.finish()

        with served() as server:
            client = run(begin(server))
        before = words(youtube.taken.values())
        with served():
            said = run(end(client))
    assert before and said == EVERYTHING
    assert words(youtube.taken.values()) == EVERYTHING
    assert youtube.faults == []


def test_the_command_takes_sinks(tmp_path):
    webhook = Webhook()
    with listening(webhook) as address:
        port = free_port()
        options = ["--caption-sink", f"webhook:{address}"]
        process = start_process(tmp_path, port, options=options)
        try:
            said, _ = run(spoken(port))
        finally:
            process.terminate()
            process.communicate(timeout=40)
    assert words(content["lines"] for content in webhook.taken.values()) == said
