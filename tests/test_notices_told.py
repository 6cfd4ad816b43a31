"""Where notices are told: in the terminal, over the doors of the server, in files."""

import io
import json
import wave
from contextlib import aclosing

import httpx
import numpy as np
import pytest
from rich.console import Console
from serve_harness import Client, run, s16le, serving, speech
from test_translate import write_wav
from websockets.asyncio.client import connect

from alignatt4llm.cli.display import LiveDisplay, Plain
from alignatt4llm.cli.main import main
from alignatt4llm.events import Commit, End, Notice
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.text.languages import Pair

SILENT = bytes(2 * 16_000 * 12)
"""Twelve seconds of digital silence."""
NOTICE = Notice("quiet", "The sound is \x1b[31mvery\n quiet; go nearer. " * 5, 4.0)


def lines_of(output, screen):
    for event in (
        Commit("Guten Tag", 0, 1.0, 1.0, 0, (), "de"),
        NOTICE,
        End(4.0, 4.0, 1.0, 1.0, to="de"),
    ):
        output.write(event)
    output.close()
    return screen()


def test_a_notice_is_a_line_on_standard_error(capsys):
    out, err = lines_of(Plain(False, None), capsys.readouterr)
    assert out == "Guten Tag\n"
    [line] = [line for line in err.splitlines() if "quiet" in line]
    assert line.startswith("alignatt: notice: The sound is") and "\x1b" not in line


def test_a_notice_stays_in_a_terminal():
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=300)
    shown = lines_of(LiveDisplay(console, [Pair.parse("en-de")]), console.file.getvalue)
    assert shown.count("alignatt: notice: The sound is") == 1 and "\x1b[31m" not in shown


@pytest.fixture
def scripted(monkeypatch):
    """The command with an interpreter without weights."""
    monkeypatch.setattr(
        "alignatt4llm.interpreter.Interpreter", lambda *_, **__: ScriptedInterpreter()
    )


RECORDINGS = {
    "silence": (np.zeros(96_000), ["silent", "no_speech"]),
    "near silence": (1e-3 * np.sin(np.arange(96_000) / 9), ["quiet", "no_speech"]),
    "speech": (np.frombuffer(speech(range(8)), "<i2") / 32768, []),
}


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("name", RECORDINGS)
def test_the_command_says_what_it_noticed_and_goes_on(tmp_path, capsys, name):
    sound, expected = RECORDINGS[name]
    jsonl, srt = tmp_path / "a.jsonl", tmp_path / "a.srt"
    recording = str(write_wav(tmp_path / "a.wav", sound))
    arguments = ["translate", recording, "--to", "de", "--fast"]
    assert main([*arguments, "--jsonl", str(jsonl), "--srt", str(srt)]) == 0
    err = capsys.readouterr().err
    events = [json.loads(line) for line in jsonl.read_text("utf-8").splitlines()]
    told = [event for event in events if event["type"] == "notice"]
    assert [event["kind"] for event in told] == expected
    assert [line for line in err.splitlines() if "notice" in line] == [
        f"alignatt: notice: {event['text']}" for event in told
    ]
    assert ("no speech was heard" in err) == ("no_speech" in expected)
    assert events[-1]["type"] == "end" and "notice" not in srt.read_text("utf-8")


def kinds(client):
    return [frame["kind"] for frame in client.frames if frame["type"] == "notice"]


def test_clients_are_told_live_and_again_when_they_come_back(tmp_path):
    async def talk():
        client = await Client(server).open()
        await client.play(SILENT)
        notice = await client.until("notice")
        assert notice["kind"] == "silent" and "seq" not in notice
        assert kinds(client) == ["silent"]
        await client.socket.close()
        client.frames.clear()
        await client.resume()
        await client.until("notice")
        assert kinds(client) == ["silent"]
        await client.finish()
        assert client.frames[-1]["type"] == "end"
        return kinds(client)

    with serving(tmp_path) as server:
        assert run(talk()) == ["silent", "no_speech"]


def test_clients_of_every_door_are_told_what_their_language_is_taken_for(tmp_path):
    said = "'zh-TW' is taken as Chinese, written in simplified characters."

    async def live(**wish):
        client = await Client(server).open(**wish)
        await client.finish()
        return [(each["kind"], each["text"]) for each in client.frames if each["type"] == "notice"]

    async def words(**init):
        async with connect(f"ws://127.0.0.1:{server.port}/text") as socket:
            await socket.send(json.dumps({"type": "init", "protocol_version": 1, **init}))
            return json.loads(await socket.recv())

    with serving(tmp_path) as server:
        assert run(live(to="zh-TW")) == [("nearest", said)]
        assert run(live(to="zh-CN")) == []
        assert run(words(source_lang="en", target_lang="zh-TW"))["notices"] == [said]
        assert "notices" not in run(words(source_lang="en-GB", target_lang="de-AT"))
        assert post(server, speech(range(4)), to="zh-TW").json()["warnings"] == [said]
        assert "warnings" not in post(server, speech(range(4)), to="de-AT").json()


def test_viewers_who_come_later_are_told_too(tmp_path):
    async def both():
        client = await Client(server).open()
        await client.play(SILENT)
        await client.until("notice")
        address = f"http://127.0.0.1:{server.port}/captions/{client.hello['session']}"
        asked = {"accept": "text/event-stream"}
        async with (
            httpx.AsyncClient() as http,
            http.stream("GET", address, headers=asked) as feed,
            aclosing(feed.aiter_lines()) as lines,
        ):
            async for line in lines:
                if line == "event: notice":
                    break
            await client.finish()

    with serving(tmp_path) as server:
        run(both())


def test_notices_do_not_count_as_what_was_said(tmp_path):
    async def talk():
        client = await Client(server).open()
        await client.play(SILENT + speech(range(8)))
        await client.finish()
        return client

    with serving(tmp_path) as server:
        client = run(talk())
        name = client.hello["session"]
        kept = httpx.get(f"http://127.0.0.1:{server.port}/transcripts/{name}.jsonl").text
    assert kinds(client) == ["silent"]
    assert [event["seq"] for event in client.events] == [*range(1, len(client.events) + 1)]
    assert '"notice"' not in kept


def post(server, sound, **fields):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes(sound)
    address = f"http://127.0.0.1:{server.port}/v1/audio/translations"
    data = {"from": "en", "to": "de", **fields}
    return httpx.post(address, data=data, files={"file": ("a.wav", file.getvalue())}, timeout=60)


def test_uploads_are_told_among_the_events(tmp_path):
    with serving(tmp_path) as server:
        quiet = post(server, s16le(np.zeros(64_000)), response_format="jsonl")
        spoken = post(server, speech(range(8)), response_format="jsonl")
    told = [json.loads(line) for line in quiet.text.splitlines()]
    assert [event.get("kind") for event in told] == ["silent", "no_speech", None]
    assert '"notice"' not in spoken.text
