"""A real server in this process, and a small client of its audio door."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
from websockets.asyncio.client import connect

from alignatt4llm.recognizers.tones import SCRIPT, tones
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.messages import Defaults
from alignatt4llm.serve.server import Server, Settings

EVERYTHING = " ".join(SCRIPT).upper()


def s16le(samples):
    return (samples * 32767).astype("<i2").tobytes()


def speech(words=range(len(SCRIPT))):
    return s16le(tones(words))


@contextmanager
def serving(folder, interpreter=None, port=0, token=None, origins=(), to="", **limits):
    """Yield a server that listens on loopback until the block ends."""
    settings = Settings(
        folder,
        port=port,
        token=token,
        origins=origins,
        defaults=Defaults(targets=(to,) if isinstance(to, str) and to else tuple(to)),
        limits=Limits(**limits),
    )
    server = Server(interpreter or ScriptedInterpreter(), settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        threading.Event().wait(0.01)
    try:
        yield server
    finally:
        stop(server, thread)


def stop(server, thread):
    """Stop a server as SIGTERM would."""
    if not server.registry.stuck.is_set():
        server.loop.call_soon_threadsafe(server.drain)
    thread.join(40)
    assert not thread.is_alive()


_sockets = []


class Client:
    """Keeps what it may have to send again, as the protocol asks of clients."""

    def __init__(self, server, path="/live", **options):
        self.url = f"ws://127.0.0.1:{server if isinstance(server, int) else server.port}{path}"
        self.options = options
        self.seq = 0
        self.events = []
        self.frames = []
        self.audio = b""
        self.sent = 0
        self.settled = 0
        self.hello = None

    @property
    def text(self):
        return "".join(event["text"] for event in self.events if event["type"] == "commit")

    async def connect(self):
        self.socket = await connect(self.url, max_size=None, **self.options)
        _sockets.append(self.socket)
        return self

    async def open(self, **wish):
        await self.connect()
        await self.say({"type": "start", "version": 1, "to": "de", **wish})
        self.hello = await self.until("started")
        return self

    async def resume(self, **wish):
        await self.connect()
        known = {key: self.hello[key] for key in ("session", "key")}
        kept = {"seq": self.seq, "position": self.settled}
        await self.say({"type": "resume", "version": 1, **known, **kept, **wish})
        self.sent = (await self.until("resumed"))["position"]
        return self

    async def say(self, message):
        await self.socket.send(message if isinstance(message, bytes) else json.dumps(message))

    async def next(self):
        frame = json.loads(await self.socket.recv())
        self.frames.append(frame)
        if "seq" in frame and frame["type"] != "resumed":
            assert frame["seq"] == self.seq + 1
            self.seq = frame["seq"]
            self.events.append(frame)
        if frame["type"] == "status":
            self.settled = frame["settled"]
        return frame

    async def until(self, *kinds):
        while True:
            frame = await self.next()
            if frame["type"] in kinds:
                return frame
            assert frame["type"] != "error", frame

    async def play(self, audio, upto=None, size=3200):
        """Send audio that begins with the stream, from where the server wants it."""
        for start in range(self.sent, len(audio) if upto is None else upto, size):
            end = min(start + size, len(audio) if upto is None else upto)
            await self.socket.send(audio[start:end])
            self.sent = end

    async def finish(self):
        await self.say({"type": "end"})
        await self.until("end")
        await self.socket.wait_closed()
        return self.text


def run(coroutine, seconds=60):
    async def bounded():
        try:
            return await asyncio.wait_for(coroutine, seconds)
        finally:
            for socket in _sockets:
                socket.transport.abort()
            await asyncio.gather(*(socket.wait_closed() for socket in _sockets))
            _sockets.clear()

    return asyncio.run(bounded())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


ALIGNATT = ("-m", "alignatt4llm.cli.main")


def start_process(folder, port, model="scripted", seconds=30, program=ALIGNATT):
    command = [sys.executable, *program, "serve", "--model", model]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--transcripts", str(folder)],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1)
            return process
        except httpx.HTTPError:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
    raise AssertionError("the server did not start")
