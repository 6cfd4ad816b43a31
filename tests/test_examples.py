"""The examples run as they are written; only the models are stand-ins."""

import asyncio
import gc
import io
import json
import runpy
import signal
import socket
import sys
import threading
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import uvicorn
from doors import Watching
from sounds import frames, int16, pieces, wav, write
from test_listen import Microphone, sounddevice  # noqa: F401
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from alignatt4llm.errors import UsageError
from alignatt4llm.recognizers.tones import SCRIPT, tones
from alignatt4llm.scripted import ScriptedInterpreter

EXAMPLES = Path(__file__).parent.parent / "examples"
SPEECH = tones(range(10))
EVERYTHING = " ".join(SCRIPT[:10]).upper()


@pytest.fixture(autouse=True)
def without_models(monkeypatch):
    monkeypatch.setattr("alignatt4llm.interpreter.Interpreter", lambda *_, **__: scripted())


scripted = ScriptedInterpreter


def run(name, *arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    return runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_examples_are_short_and_all_are_tested():
    tested = Path(__file__).read_text("utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text("utf-8").splitlines()) <= 70
        assert f'"{path.name}"' in tested
        assert f"`{path.name}`" in (EXAMPLES.parent / "docs" / "python.md").read_text("utf-8")


def test_a_file(tmp_path, monkeypatch, capsys):
    write(str(tmp_path / "talk.ogg"), SPEECH, "ogg")
    run("file.py", str(tmp_path / "talk.ogg"), "en-de", monkeypatch=monkeypatch)
    printed = " ".join(capsys.readouterr().out.split())
    assert "0.0 Good morning everyone and thank you for coming. GOOD MORNING" in printed


@pytest.mark.parametrize(
    "arguments", [("file.py", "nowhere.mp4", "en-de"), ("languages.py", "nowhere.mp4", "en", "de")]
)
def test_what_is_wrong_is_one_sentence(arguments, monkeypatch):
    with pytest.raises(SystemExit, match=r"^There is no file 'nowhere.mp4'"):
        run(*arguments, monkeypatch=monkeypatch)


@pytest.mark.parametrize(
    "arguments",
    [
        ("file.py",),
        ("file.py", "talk.mp4"),
        ("file.py", "talk.mp4", "en-de", "low"),
        ("languages.py",),
        ("languages.py", "talk.mp4", "en"),
        ("microphone.py",),
        ("microphone.py", "en-de", "USB", "left"),
    ],
)
def test_other_arguments_are_answered_with_the_right_ones(arguments, monkeypatch):
    with pytest.raises(SystemExit, match=f"python examples/{arguments[0]} "):
        run(*arguments, monkeypatch=monkeypatch)


def test_several_languages(tmp_path, monkeypatch, capsys):
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(SPEECH))
    run("languages.py", str(path), "en", "de", "it", monkeypatch=monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    for to in ("de", "it"):
        assert " ".join(line[4:] for line in lines if line.startswith(to)) == EVERYTHING


class Screen(io.StringIO):
    """Is told what is written, and tells when some of it is there."""

    def __init__(self, wanted, then):
        super().__init__()
        self.wanted, self.then = wanted, then

    def write(self, text):
        if self.wanted in text:
            self.wanted = "\0"
            self.then()
        return super().write(text)


def test_a_microphone_until_ctrl_c(sounddevice, monkeypatch):  # noqa: F811
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Microphone, "audio", int16(np.repeat(SPEECH, 3)))
    screen = Screen("GOOD", lambda: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(sys, "stdout", screen)
    try:
        run("microphone.py", "en-de", monkeypatch=monkeypatch)
    finally:
        signal.signal(signal.SIGINT, before)
    last = screen.getvalue().split("\r\033[K")[-1].strip()
    assert last == EVERYTHING  # all that was recorded is said


class Serving:
    """An app of the examples, on a real server."""

    def __init__(self, name):
        self.names = runpy.run_path(str(EXAMPLES / name))
        self.app = self.names["app"]

    async def __aenter__(self):
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(self.app, log_config=None, ws="websockets-sansio", lifespan="off")
        self.server = uvicorn.Server(config)
        self.task = asyncio.create_task(self.server.serve([listening]))
        return self

    async def __aexit__(self, *error):
        self.server.should_exit = True
        await self.task


SOUNDS = {"raw": int16(SPEECH).tobytes(), "container": wav(SPEECH)}


@pytest.mark.parametrize("form", SOUNDS)
def test_an_app_captions_over_a_websocket(form):
    async def talk():
        async with (
            Serving("fastapi_app.py") as app,
            connect(f"ws://{app.address}/captions/en-de") as socket,
        ):
            for piece in pieces(SOUNDS[form], 8000):
                await socket.send(piece)
            await socket.send(b"")
            return [json.loads(message) async for message in socket]

    events = asyncio.run(talk())
    assert "".join(event["text"] for event in events if event["type"] == "commit") == EVERYTHING
    assert events[-1]["type"] == "end"


def test_an_app_says_what_is_wrong_and_survives_who_leaves():
    async def talk():
        async with Serving("fastapi_app.py") as app:
            async with connect(f"ws://{app.address}/captions/en-de") as socket:
                await socket.send(SOUNDS["raw"])
            async with connect(f"ws://{app.address}/captions/English") as socket:
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
                return socket.close_code, socket.close_reason

    code, reason = asyncio.run(talk())
    assert code == 1008 and "not a pair of languages" in reason


@pytest.mark.parametrize(
    ("pair", "sent", "told"),
    [
        ("en-de", "hello", "Send audio in binary messages"),
        ("en-de", "", "Send audio in binary messages"),
        ("ελληνικά" * 30, b"", "'ελληνικά"),
        ("en-ελληνικάά" + "ά" * 99, b"", "Unknown language"),
    ],
)
def test_an_app_closes_with_a_sentence(pair, sent, told):
    async def talk():
        async with (
            Serving("fastapi_app.py") as app,
            connect(f"ws://{app.address}/captions/{quote(pair)}") as socket,
        ):
            await socket.send(sent)
            with pytest.raises(ConnectionClosed):
                while True:
                    await socket.recv()
            return socket.close_code, socket.close_reason

    code, reason = asyncio.run(asyncio.wait_for(talk(), 20))
    assert code == 1008 and told in reason and len(reason.encode()) <= 123


def test_an_agent_captions_a_room_over_webrtc(monkeypatch):
    """Somebody speaks, somebody listens, and both read along; all of it real but the models."""
    rtc = pytest.importorskip("aiortc")
    import httpx

    interpreter = Watching()
    monkeypatch.setattr("alignatt4llm.interpreter.Interpreter", lambda *_, **__: interpreter)

    class Speaker(rtc.MediaStreamTrack):
        """Is silent until everybody is there, and is heard as fast as it would be."""

        kind = "audio"

        def __init__(self, begins):
            super().__init__()
            self.begins, self.time, self.clock = begins, 0, rtc.AudioStreamTrack()
            self.silence = next(frames(np.zeros(1000, np.float32), copies=1))
            self.speech = frames(SPEECH, copies=1)

        async def recv(self):
            await self.clock.recv()
            frame = next(self.speech, None) if self.begins.is_set() else self.silence
            if frame is None:
                self.stop()
                raise rtc.mediastreams.MediaStreamError
            frame.pts, frame.time_base = self.time, Fraction(1, frame.sample_rate)
            self.time += frame.samples
            return frame

    async def join(app, *tracks):
        peer, heard, opened = rtc.RTCPeerConnection(), asyncio.Queue(), asyncio.Event()
        channel = peer.createDataChannel("captions")
        channel.on("message", heard.put_nowait)
        channel.on("open", opened.set)
        for track in tracks:
            peer.addTrack(track)
        await peer.setLocalDescription(await peer.createOffer())
        mine = peer.localDescription
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"http://{app.address}/offer", json={"sdp": mine.sdp, "type": mine.type}
            )
        await peer.setRemoteDescription(rtc.RTCSessionDescription(**answer.json()))
        await opened.wait()
        return peer, heard

    async def talk():
        async with Serving("webrtc_agent.py") as app:
            begins = asyncio.Event()
            listener, read = await join(app, rtc.AudioStreamTrack(), rtc.VideoStreamTrack())
            speaker, _ = await join(app, Speaker(begins))
            begins.set()
            said = ""
            while len(said.split()) < 4:
                said += await read.get()
            await speaker.close()
            await listener.close()
            while app.names["room"] or app.names["busy"]:  # all is forgotten with who leaves
                await asyncio.sleep(0.05)
            return said

    said = asyncio.run(asyncio.wait_for(talk(), 60))
    assert EVERYTHING.startswith(said)
    assert len(interpreter.drafters) == 2  # none for the picture
    interpreter.check_freed()


def test_an_agent_logs_what_ends_captions(monkeypatch, caplog):
    rtc = pytest.importorskip("aiortc")
    answered = threading.Event()

    class Refusing:
        def open(self, pair):
            answered.wait(20)
            raise UsageError("No more today.")

    monkeypatch.setattr("alignatt4llm.interpreter.Interpreter", lambda *_, **__: Refusing())
    names = runpy.run_path(str(EXAMPLES / "webrtc_agent.py"))

    async def talk():
        peer = rtc.RTCPeerConnection()
        peer.addTrack(rtc.AudioStreamTrack())
        await peer.setLocalDescription(await peer.createOffer())
        mine = peer.localDescription
        await names["offer"]({"sdp": mine.sdp, "type": mine.type})
        assert names["busy"]
        answered.set()
        while names["busy"]:
            await asyncio.sleep(0.01)
        await peer.close()

    asyncio.run(asyncio.wait_for(talk(), 20))
    gc.collect()
    assert "No more today." in caplog.text
