"""Uploads as clients send them: in pieces, slowly, unnamed, cut, or with a form of their own."""

import asyncio
import shutil
import socket
import subprocess
import time
import tracemalloc
from contextlib import closing

import httpx
import numpy as np
import pytest
from serve_harness import EVERYTHING, run, serving, speech
from test_uploads import EIGHT, END, FILE, PATH, Uploading, eventually, field, wav

from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.serve.failures import Failures
from alignatt4llm.serve.jobs import Translation
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.metrics import Metrics
from alignatt4llm.serve.openai import Uploads
from alignatt4llm.serve.registry import Registry

FORM = "multipart/form-data; boundary=X"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("journals"), to="de", upload=1 << 20) as running:
        yield running


def part(disposition, content, *headers):
    head = "\r\n".join((f"Content-Disposition: {disposition}", *headers))
    return b"--X\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def send(server, body, kind=FORM, **headers):
    address = f"http://127.0.0.1:{server.port}{PATH}"
    return httpx.post(address, content=body, headers={"content-type": kind, **headers})


def pieces(body, size):
    return (body[start : start + size] for start in range(0, len(body), size))


TALK = wav(speech(range(8)))
SAID = {"text": EIGHT}


@pytest.mark.parametrize("size", [1000, 65_536, 1 << 20])
@pytest.mark.parametrize("to", ["", "de"])
def test_an_upload_needs_no_length(server, size, to):
    body = field("to", to) + FILE + TALK + END
    assert send(server, pieces(body, size)).json() == SAID


@pytest.mark.parametrize("where", ["file", "field", "preamble", "epilogue"])
def test_without_a_length_the_limit_is_the_same(server, where):
    much = bytes(1 << 20)
    body = {
        "file": FILE + much + END,
        "field": FILE + TALK + b"\r\n" + field("prompt", "x" * len(much)) + END,
        "preamble": much + FILE + TALK + END,
        "epilogue": FILE + TALK + END + much,
    }[where]
    answer = send(server, pieces(body, 65_536))
    expected = (413, "too_large") if where in ("file", "epilogue") else (400, "bad_message")
    assert (answer.status_code, answer.json()["error"]["code"]) == expected
    eventually(lambda: server.registry.taken == 0)
    assert send(server, FILE + TALK + END).json() == SAID


def test_an_upload_of_no_length_takes_no_more_memory_than_a_short_one(tmp_path):
    content = wav(np.zeros(8 * 60 * 16_000, "<i2").tobytes())
    body = FILE + content + END
    with serving(tmp_path, to="de") as server:
        tracemalloc.start()
        try:
            answer = send(server, pieces(body, 65_536))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.status_code == 200 and len(body) > 15_000_000
    assert peak < 12_000_000, peak


@pytest.mark.parametrize(
    "parts",
    [
        [part("form-data; name=file; filename=talk.wav", TALK)],
        [part('form-data; name="file"; filename=""', TALK)],
        [part('form-data; name="file"', TALK)],
        [part("form-data; filename*=utf-8''%C3%BC.wav; name=\"file\"", TALK)],
        [part("form-data; name=\"file\"; filename*=utf-8''%C3%BC%E2%82%AC.wav", TALK)],
        [part('form-data; name="file"; filename="ü€.wav"; filename*=UTF-8\'\'%C3%BC', TALK)],
        [part('form-data; name="file"; filename="C:\\talks\\a.wav"', TALK)],
        [part('form-data; name="file"; filename="../../etc/passwd"', TALK)],
        [part('form-data; name="file"; filename="a.wav"', TALK, "Content-Type: text/plain")],
        [part('form-data; name="file"; filename="a.wav"', TALK, "Content-Type: audio/mpeg")],
        [part('form-data; name="file"; filename="a.wav"', TALK), field("model", "whisper-1")],
        [field("prompt", "x" * 60_000), part('form-data; name="file"', TALK)],
        [field("temperature", "0"), field("unheard", "of"), FILE + TALK + b"\r\n"],
        [field("stream", " FALSE "), field("response_format", "JSON"), FILE + TALK + b"\r\n"],
    ],
)
@pytest.mark.parametrize("kind", [FORM, "Multipart/Form-Data;boundary=X;charset=utf-8"])
def test_forms_of_every_make_are_read(server, parts, kind):
    answer = send(server, b"".join(parts) + b"--X--\r\n", kind)
    assert (answer.status_code, answer.json()) == (200, SAID)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (FILE + TALK[:20_000], "breaks off"),
        (FILE + TALK, "breaks off"),
        (FILE + TALK + b"\r\n--X", "breaks off"),
        (FILE, "breaks off"),
        (field("to", "de"), "breaks off"),
        (b"", "breaks off"),
        (field("to", "de") + b"--X--\r\n", "'file' is missing"),
        (part('form-data; name="audio"; filename="a.wav"', TALK) + b"--X--", "'file' is missing"),
        (FILE + TALK + b"\r\n" + FILE + TALK + END, "Too many files"),
        (field("prompt", "x" * 70_000) + FILE + TALK + END, "maximum size"),
        (part("form-data", TALK) + END, '"name" must be provided'),
    ],
)
def test_a_form_that_is_not_whole_is_told_what_it_lacks(server, body, said, chunked):
    answer = send(server, pieces(body, 9999) if chunked else body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "bad_message")
    assert said in error["message"] and error["message"].endswith(".")
    eventually(lambda: server.registry.taken == 0)


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/mixed; boundary=X", "application/json", "", "x"]
)
def test_what_says_that_it_is_no_form_is_told_to_be_one(server, kind):
    answer = send(server, FILE + TALK + END, kind)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_message")


class Dripping(Uploading):
    """A client that sends a byte at a time, and counts on no pause being too long."""

    def drip(self, seconds, pause):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.socket.sendall(b"x")
            time.sleep(pause)


@pytest.mark.parametrize("limits", [{"rate": 1000}, {"rate": 1e-6, "session": 0.5}])
def test_an_upload_that_only_drips_does_not_keep_its_place(tmp_path, limits):
    with (
        serving(tmp_path, idle=0.4, **limits) as server,
        closing(Dripping(server, FILE, length=1_000_000)) as client,
    ):
        eventually(lambda: server.registry.taken == 1)
        client.drip(1.0, 0.05)
        status, code = client.answer()
        assert (status, code) == (408, "idle")
        eventually(lambda: server.registry.taken == 0)


def test_an_upload_that_is_slow_but_fast_enough_is_taken(tmp_path):
    body = field("to", "de") + FILE + TALK + END

    def slowly():
        for block in pieces(body, 8000):
            time.sleep(0.03)
            yield block

    with serving(tmp_path, idle=0.3, rate=50_000) as server:
        assert send(server, slowly()).json() == SAID


def test_a_client_that_expects_to_be_asked_is_asked_only_if_there_is_a_place(tmp_path):
    body = field("to", "de") + FILE + TALK + END
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n"
        f"content-type: {FORM}\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    )

    def begun(server):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        client.sendall(head.encode())
        return client, client.recv(1 << 16)

    with serving(tmp_path, sessions=1) as server:
        first, said = begun(server)
        assert said.startswith(b"HTTP/1.1 100 ")
        second, refused = begun(server)
        assert refused.startswith(b"HTTP/1.1 503 ") and b"retry-after" in refused.lower()
        first.sendall(body)
        assert first.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        first.close()
        second.close()


@pytest.mark.skipif(not shutil.which("curl"), reason="needs the command curl")
@pytest.mark.parametrize("more", [[], ["-H", "Transfer-Encoding: chunked"], ["--http1.0"]])
def test_curl_uploads_as_the_manual_says(tmp_path, server, more):
    path = tmp_path / 'talk, ü; "1".wav'
    path.write_bytes(wav(speech()))
    address = f"http://127.0.0.1:{server.port}{PATH}"
    quoted = str(path).replace('"', '\\"')
    command = ["curl", "-sS", *more, "-F", f'file=@"{quoted}"', "-F", "to=de", address]
    answer = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert EVERYTHING in answer.stdout.decode()


@pytest.mark.parametrize("version", ["2.3", "2.4"])
@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_client_that_does_not_take_its_answer_does_not_keep_its_place(tmp_path, stream, version):
    registry = Registry(ScriptedInterpreter(), Limits(send=0.2), tmp_path, Metrics())
    door = Uploads(registry, Failures(registry.metrics), Translation(registry))
    body = field("to", "de") + field("stream", stream) + FILE + TALK + END
    coming = [{"type": "http.request", "body": body}]
    scope = {"type": "http", "method": "POST", "path": PATH, "asgi": {"spec_version": version}}
    scope["headers"] = [(b"content-type", FORM.encode())]

    async def receive():
        return coming.pop() if coming else await asyncio.Event().wait()

    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def talk():
        await door(scope, receive, send)

    run(talk(), 10)
    assert registry.taken == 0
