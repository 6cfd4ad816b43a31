"""Recordings that are cut, damaged or in no suitable container, uploaded and live."""

import asyncio
import io
import json
import os
import random

import av
import httpx
import numpy as np
import pytest
from serve_harness import Client, run, serving
from test_uploads import EIGHT, PATH, post, wav
from websockets.exceptions import ConnectionClosed

from alignatt4llm.recognizers.tones import tones

RATE = 48_000
ALL = range(8)


def media(container, codec, words=ALL, layout="mono"):
    """A file as FFmpeg writes it."""
    said = tones(words)
    at = np.arange(len(said) * 3) / 3
    pcm = (np.interp(at, np.arange(len(said)), said) * 32767).astype("<i2").reshape(1, -1)
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=RATE)
        stream.layout = layout
        for start in range(0, pcm.shape[1], 4096):
            block = np.ascontiguousarray(pcm[:, start : start + 4096])
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.rate, frame.pts = RATE, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


def cut(data, share=0.6):
    return data[: int(len(data) * share)]


def damaged(data):
    """The file with a stretch in its middle that is noise."""
    middle, length = len(data) // 2, len(data) // 10
    return data[:middle] + random.Random(0).randbytes(length) + data[middle + length :]


def picture():
    """A video without sound."""
    out = io.BytesIO()
    with av.open(out, "w", format="webm") as file:
        stream = file.add_stream("libvpx", rate=10)
        stream.width = stream.height = 64
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


def index_last():
    """An MP4 as cameras and phones write it: what is needed first stands last.

    It is larger than what FFmpeg holds at once; a smaller one can be read.
    """
    return media("ipod", "aac", [*ALL] * 4)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("journals"), to="de") as running:
        yield running


WHOLE = [
    ("wav", "pcm_s16le"),
    ("flac", "flac"),
    ("mp3", "libmp3lame"),
    ("ipod", "aac"),
    ("mov", "pcm_s16le"),
    ("ogg", "libopus"),
    ("webm", "libopus"),
    ("matroska", "pcm_s16le"),
    ("adts", "aac"),
    ("mpegts", "aac"),
    ("aiff", "pcm_s16be"),
]
BROKEN = [
    ("flac", "flac", cut),
    ("adts", "aac", cut),
    ("ipod", "aac", damaged),
    ("adts", "aac", damaged),
]


@pytest.mark.parametrize(("container", "codec"), WHOLE)
def test_a_whole_recording_has_no_warning(server, container, codec):
    answer = post(server, media(container, codec))
    assert answer.json() == {"text": EIGHT} and "x-warnings" not in answer.headers


@pytest.mark.parametrize(("container", "codec", "how"), BROKEN)
@pytest.mark.parametrize("kind", ["json", "verbose_json"])
@pytest.mark.parametrize("path", [PATH, "/v1/audio/transcriptions"])
def test_what_was_heard_comes_with_a_warning(server, container, codec, how, kind, path):
    files = {"file": ("talk.bin", how(media(container, codec)))}
    address = f"http://127.0.0.1:{server.port}{path}"
    answer = httpx.post(address, files=files, data={"response_format": kind})
    body = answer.json()
    assert answer.status_code == 200
    assert body["text"].lower().startswith("good morning")
    assert all("talk.bin" in warning and warning.endswith(".") for warning in body["warnings"])
    assert body["warnings"] and json.loads(answer.headers["x-warnings"]) == body["warnings"]


NOTHING = {
    "empty wav": wav(b""),
    "cut after the header": wav(bytes(3200))[:44],
    "cut inside of a sample": wav(bytes(3200))[:45],
    "flac cut after its header": media("flac", "flac")[:8300],
    "aiff cut after its header": media("aiff", "pcm_s16be")[:54],
    "webm cut after its header": media("webm", "libopus")[:330],
}


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("path", [PATH, "/v1/audio/transcriptions"])
def test_a_recording_without_any_audio_is_told_so(server, name, path):
    address = f"http://127.0.0.1:{server.port}{path}"
    answer = httpx.post(address, files={"file": ("talk.bin", NOTHING[name])})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "bad_audio", "file")
    assert "'talk.bin'" in error["message"] and error["message"].endswith(".")


@pytest.mark.parametrize("kind", ["text", "srt", "vtt", "txt"])
def test_answers_without_room_for_a_warning_have_it_beside_them(server, kind):
    content = cut(media("flac", "flac"))
    answer = post(server, content, {"response_format": kind})
    assert "GOOD MORNING" in answer.text and "talk.wav" not in answer.text
    assert "'talk.wav'" in json.loads(answer.headers["x-warnings"])[0]


def test_events_and_streams_tell_a_warning_too(server):
    content = cut(media("flac", "flac"))
    lines = post(server, content, {"response_format": "jsonl"}).text.splitlines()
    [notice] = [e for e in map(json.loads, lines) if e["type"] == "notice"]
    assert "'talk.wav'" in notice["text"] and notice["kind"]
    streamed = post(server, content, {"stream": "true"}).text.strip().splitlines()
    done = json.loads(streamed[-1].removeprefix("data: "))
    assert done["type"] == "transcript.text.done" and done["warnings"] == [notice["text"]]


async def conversation(server, data, size=5000):
    """Send a container and its end; return all frames and the close code."""
    client = await Client(server).open(audio="container")
    try:
        await client.play(data, size=size)
        await client.say({"type": "end"})
    except ConnectionClosed:
        pass
    try:
        while True:
            await client.next()
    except ConnectionClosed:
        return client, client.socket.close_code


UNSUITABLE = {
    "index last": index_last(),
    "index missing": cut(index_last()),
    "pictures only": picture(),
    "mp3": media("mp3", "libmp3lame"),
    "transport stream": media("mpegts", "aac"),
    "noise": os.urandom(50_000),
    "noise after a header": media("webm", "libopus")[:30] + os.urandom(50_000),
    "text": b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n" * 100,
    "a page": b"<html>" * 1000,
    "a playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n" * 100,
}


@pytest.mark.parametrize("name", UNSUITABLE)
def test_a_container_without_sound_that_can_be_read_is_named(server, name, caplog):
    client, code = run(conversation(server, UNSUITABLE[name]))
    last = client.frames[-1]
    assert (last["type"], last["code"], last["fatal"], code) == ("error", "bad_audio", True, 1007)
    assert "fragmented MP4" in last["message"] and last["message"].endswith(".")
    assert not [frame for frame in client.frames if frame["type"] == "end"]
    assert "bad_audio" in caplog.text


@pytest.mark.parametrize(
    ("container", "codec"),
    [pair for pair in WHOLE if pair[0] in ("wav", "flac", "ogg", "webm", "matroska")],
)
def test_a_suitable_container_ends_with_end(server, container, codec):
    client, code = run(conversation(server, media(container, codec)))
    assert (client.text, client.frames[-1]["type"], code) == (EIGHT, "end", 1000)


@pytest.mark.parametrize("data", [b"", wav(b"")])
def test_a_recording_that_was_stopped_at_once_is_no_error(server, data):
    client, code = run(conversation(server, data))
    assert (client.frames[-1]["type"], client.frames[-1]["audio_s"], code) == ("end", 0.0, 1000)


def test_what_is_refused_can_be_sent_again_in_the_same_session(server):
    async def talk():
        client, _ = await conversation(server, index_last())
        while server.registry.taken:
            await asyncio.sleep(0.01)
        await client.resume()
        await client.play(media("webm", "libopus"))
        return await client.finish()

    assert run(talk()) == EIGHT


def test_a_live_container_that_breaks_off_is_told_at_its_end(tmp_path):
    published = []
    with serving(tmp_path) as server:

        async def talk():
            client = await Client(server).open(audio="container")
            [session] = server.registry._sessions.values()
            publish = session.broadcast.publish

            def note(event, *then):
                published.append(event)
                publish(event, *then)

            session.broadcast.publish = note
            await client.play(cut(media("flac", "flac")), size=5000)
            return await client.finish()

        assert run(talk()).startswith("GOOD MORNING")
    kinds = [event.type for event in published]
    assert kinds.count("notice") == 1 and kinds.index("notice") < kinds.index("end")
