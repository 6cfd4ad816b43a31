"""The audio door: whole conversations with a real server over real sockets."""

import asyncio
import json
import os
import signal

import numpy as np
import pytest
from journals import created
from serve_harness import (
    EVERYTHING,
    Client,
    free_port,
    run,
    s16le,
    serving,
    speech,
    start_process,
)
from websockets.exceptions import ConnectionClosed

from alignatt4llm.events import Close
from alignatt4llm.recognizers.tones import SCRIPT, tones
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.translators.scripted import ScriptedDrafter


def test_audio_goes_in_and_everything_comes_out(tmp_path):
    async def talk():
        client = await Client(server).open(trace=True)
        await client.play(speech(), upto=40_000)
        await client.until("preview")
        await client.play(speech())
        return client, await client.finish()

    with serving(tmp_path) as server:
        client, text = run(talk())
    assert text == EVERYTHING
    kinds = {frame["type"] for frame in client.frames}
    assert kinds >= {"started", "source", "commit", "preview", "trace", "close", "end"}
    assert client.socket.close_code == 1000
    assert all("trace" not in frame for frame in client.frames if frame["type"] == "started")


def test_commits_tell_which_source_words_they_look_at(tmp_path):
    async def talk():
        client = await Client(server).open(trace=True)
        await client.play(speech(), upto=40_000)
        await client.until("preview")
        await client.play(speech())
        await client.finish()
        return client.frames

    with serving(tmp_path) as server:
        frames = run(talk())
    said = {}
    for frame in frames:
        if frame["type"] == "commit":
            assert "".join(piece["text"] for piece in frame["pieces"]) == frame["text"]
            said.setdefault(frame["utterance"], []).extend(frame["pieces"])
        if frame["type"] == "close":
            words = frame["source"].split()
            for piece in said[frame["utterance"]]:
                assert piece["sources"] == [[piece["word"], 1.0]]
                assert words[piece["word"]].upper() == piece["text"].strip()
    assert any(token["hold"] for f in frames if f["type"] == "trace" for token in f["tokens"])


@pytest.mark.parametrize("cut", [1, 40_000, 123_457, 250_001])
def test_a_client_that_loses_its_connection_resumes(tmp_path, cut):
    async def talk():
        audio = speech()
        client = await Client(server).open()
        await client.play(audio, upto=cut)
        client.socket.transport.abort()
        await client.resume()
        await client.play(audio)
        return await client.finish()

    with serving(tmp_path) as server:
        assert run(talk()) == EVERYTHING


def test_a_second_connection_takes_the_session_over(tmp_path):
    async def talk():
        audio = speech()
        first = await Client(server).open()
        await first.play(audio, upto=100_000)
        second = Client(server)
        second.hello = first.hello
        await second.resume()
        with pytest.raises(AssertionError, match="replaced"):
            await first.until("never")
        await second.play(audio)
        return await second.finish()

    with serving(tmp_path) as server:
        assert run(talk()) == EVERYTHING


def test_a_session_that_is_over_can_still_be_read(tmp_path):
    async def talk():
        client = await Client(server).open()
        await client.play(speech(range(8)))
        text = await client.finish()
        late = Client(server)
        late.hello = client.hello
        await late.resume()
        await late.until("end")
        return text, late.text

    with serving(tmp_path) as server:
        text, again = run(talk())
    assert text == again == "GOOD MORNING EVERYONE AND THANK YOU FOR COMING."


@pytest.mark.parametrize("wrong", [{"key": "x"}, {"session": "../../etc/passwd"}, {"session": ""}])
def test_only_its_key_opens_a_session(tmp_path, wrong):
    async def talk():
        client = await Client(server).open()
        with pytest.raises(AssertionError, match="unknown_session"):
            await client.resume(**wrong)

    with serving(tmp_path) as server:
        run(talk())


def test_a_client_whose_audio_is_lost_hears_silence_in_its_place(tmp_path):
    async def talk():
        audio = speech(range(8))
        client = await Client(server).open()
        await client.play(audio, upto=len(audio) // 2)
        client.socket.transport.abort()
        await client.resume(position=len(audio))
        assert client.sent == len(audio)
        await client.play(audio + audio)
        await client.finish()
        return client

    with serving(tmp_path) as server:
        client = run(talk())
    assert (
        client.text == "GOOD MORNING EVERYONE AND GOOD MORNING EVERYONE AND THANK YOU FOR COMING."
    )
    assert client.events[-1]["audio_s"] == pytest.approx(6.4)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_is_stopped_and_started_again_loses_nothing(tmp_path, how):
    port = free_port()
    audio = speech()

    async def first(process):
        client = await Client(port).open()
        await client.play(audio, upto=len(audio) * 2 // 3)
        while client.text.count(" ") < 12:
            await client.until("commit")
        process.send_signal(how)
        try:
            while True:
                await client.next()
        except ConnectionClosed:
            return client

    async def second(client):
        await client.resume()
        await client.play(audio)
        return await client.finish()

    process = start_process(tmp_path, port)
    client = run(first(process))
    _, errors = process.communicate(timeout=20)
    if how == signal.SIGTERM:
        assert process.returncode == 0
        assert client.frames[-1]["code"] == "draining" and client.socket.close_code == 1012
        assert "Traceback" not in errors
    process = start_process(tmp_path, port)
    try:
        assert run(second(client)) == EVERYTHING
        last = client.events[-1]
        assert last["audio_s"] == pytest.approx(len(audio) / 32_000)
    finally:
        process.terminate()
        process.communicate(timeout=20)


class Bad(ScriptedDrafter):
    """Fails at the third draft."""

    drafts = 0

    def draft(self, prompt, budget, judge=None, guess=()):
        self.drafts += 1
        if self.drafts == 3:
            raise RuntimeError("the engine broke")
        return super().draft(prompt, budget, judge, guess)


def test_an_engine_that_fails_ends_its_own_session_only(tmp_path):
    made = []

    def drafter():
        made.append(Bad() if len(made) == 1 else ScriptedDrafter())
        return made[-1]

    async def talk():
        audio = speech()
        good = await Client(server).open()
        await good.play(audio, upto=60_000)
        bad = await Client(server).open()
        await bad.play(audio)
        with pytest.raises(ConnectionClosed):
            while True:
                await bad.next()
        assert server.registry.taken == 1
        before = bad.text
        await bad.resume()
        await bad.play(audio)
        await good.play(audio)
        return bad, before, await bad.finish(), await good.finish()

    with serving(tmp_path, ScriptedInterpreter(drafter)) as server:
        bad, before, resumed, good = run(talk())
    assert [frame["code"] for frame in bad.frames if frame["type"] == "error"] == ["engine_failed"]
    assert before and resumed == good == EVERYTHING


def test_a_client_that_does_not_read_is_let_go_and_misses_nothing(tmp_path):
    async def talk():
        client = await Client(server, max_queue=1, ping_interval=None).open(trace=True)
        client.socket.transport.pause_reading()
        audio = speech() * 60
        try:
            await client.play(audio, size=64_000)
        except ConnectionClosed:
            pass
        else:
            await asyncio.sleep(0.1)
        client.socket.transport.abort()
        await client.resume()
        await client.play(audio)
        return await client.finish()

    with serving(tmp_path, send=0.5) as server:
        text = run(talk(), 120)
    assert text == " ".join([EVERYTHING] * 60)


def test_silence_and_gaps_in_time_are_no_trouble(tmp_path):
    async def talk():
        audio = speech(range(8)) + bytes(32_000 * 5) + speech(range(8))
        client = await Client(server).open()
        await client.play(audio, upto=70_000)
        await asyncio.sleep(0.5)
        await client.play(audio)
        return await client.finish()

    with serving(tmp_path) as server:
        said = "GOOD MORNING EVERYONE AND THANK YOU FOR COMING."
        assert run(talk()) == f"{said} {said}"


def test_pings_are_answered_and_the_status_is_a_heartbeat(tmp_path):
    async def talk():
        client = await Client(server).open()
        await client.say({"type": "ping", "id": 7})
        assert (await client.until("pong"))["id"] == 7
        status = await client.until("status")
        await client.play(speech(range(8)))
        while status["audio_s"] < 2:
            status = await client.until("status")
        return status

    with serving(tmp_path, heartbeat=0.2) as server:
        status = run(talk())
    assert status["received"] == 102_400
    assert status["lag_s"] == pytest.approx(status["received"] / 32_000 - status["audio_s"])
    assert 0 < status["settled"] <= status["received"]
    assert status["rtf"] > 0


@pytest.mark.parametrize("kind", ["webm", "ogg"])
def test_containers_are_decoded_as_they_arrive(tmp_path, kind):
    import av

    path = tmp_path / f"speech.{kind}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", rate=48_000)
        stream.layout = "mono"
        samples = np.concatenate([tones(range(8)), np.zeros(8000, np.float32)])
        frame = av.AudioFrame.from_ndarray(np.atleast_2d(samples), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        resampler = av.AudioResampler("fltp", "mono", 48_000, frame_size=960)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(part))
    data = path.read_bytes()

    async def talk():
        client = await Client(server).open(audio="container")
        await client.play(data, size=500, upto=len(data) - 600)
        while "EVERYONE" not in client.text:
            await client.until("commit")
        await client.play(data)
        return await client.finish()

    with serving(tmp_path / "journals") as server:
        assert run(talk()) == "GOOD MORNING EVERYONE AND THANK YOU FOR COMING."


def test_what_is_no_container_is_refused(tmp_path):
    async def talk():
        client = await Client(server).open(audio="container")
        await client.say(os.urandom(100_000))
        with pytest.raises(ConnectionClosed):
            while True:
                await client.next()
        return client.frames[-1]

    with serving(tmp_path) as server:
        assert run(talk())["code"] == "bad_audio"


def test_a_transcript_that_is_deleted_under_the_server_ends_its_session_alone(tmp_path):
    async def talk():
        client = await Client(server).open()
        other = await Client(server).open()
        (tmp_path / f"{client.hello['session']}.jsonl").unlink()
        await client.play(speech())
        with pytest.raises(ConnectionClosed):
            while True:
                await client.next()
        await other.play(speech())
        return client, await other.finish()

    with serving(tmp_path) as server:
        client, text = run(talk())
    assert client.frames[-1]["code"] == "unknown_session" and not client.events
    assert text == EVERYTHING


def test_a_journal_can_be_read_when_it_is_closed_and_its_name_is_gone(tmp_path):
    journal = created(tmp_path / "a.jsonl", {})
    journal.append(Close(0, "one", "eins", 0.0, 1.0, 1.0, 1))
    journal.close()
    (tmp_path / "a.jsonl").unlink()
    [line] = journal.since(0)
    assert json.loads(line)["target"] == "eins"


def test_journals_hold_no_key(tmp_path):
    async def talk():
        client = await Client(server).open()
        await client.finish()
        return client.hello["key"]

    with serving(tmp_path) as server:
        key = run(talk())
    [journal] = tmp_path.glob("*.jsonl")
    assert key not in journal.read_text()
    assert json.loads(journal.read_text().splitlines()[0])["pair"] == "en-de"
    assert journal.stat().st_mode & 0o077 == 0


def test_eight_clients_at_once_do_not_notice_each_other(tmp_path):
    """One is slow, one vanishes, one sends garbage; all others hear what they would alone."""

    def words(client):
        return [(client * 7 + i) % len(SCRIPT) for i in range(40)]

    async def solo(client):
        one = await Client(server).open()
        await one.play(speech(words(client)))
        return await one.finish()

    async def slow():
        one = await Client(server, max_queue=1).open(trace=True)
        one.socket.transport.pause_reading()
        await asyncio.sleep(1)
        one.socket.transport.abort()

    async def vanishing():
        one = await Client(server).open()
        await one.play(speech(), upto=50_000)
        one.socket.transport.abort()

    async def garbage():
        one = await Client(server).open()
        await one.say(s16le(np.random.default_rng(0).uniform(-1, 1, 100_000)))
        for _ in range(50):
            await one.say("{" * 100)

    async def everybody():
        good = [solo(client) for client in range(5)]
        bad = [slow(), vanishing(), garbage()]
        *texts, _, _, _ = await asyncio.gather(*good, *bad, return_exceptions=True)
        return texts

    async def alone():
        return [await solo(client) for client in range(5)]

    with serving(tmp_path) as server:
        alone_texts = run(alone())
    with serving(tmp_path) as server:
        assert run(everybody()) == alone_texts
    assert len(set(alone_texts)) == 5
