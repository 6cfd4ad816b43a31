"""Uploads: admission before the body, errors that say what is wrong, places that come back."""

import asyncio
import io
import json
import re
import socket
import threading
import time
import tracemalloc
import wave
from contextlib import aclosing, closing

import av
import httpx
import numpy as np
import pytest
from serve_harness import EVERYTHING, run, serving, speech

from alignatt4llm.errors import AlignattError
from alignatt4llm.events import TokenTrace, Trace
from alignatt4llm.recognizers.tones import SCRIPT, tones
from alignatt4llm.scripted import ScriptedInterpreter
from alignatt4llm.serve.errors import EngineStuck
from alignatt4llm.serve.worker import in_thread
from alignatt4llm.translators.scripted import ScriptedDrafter

PATH = "/v1/audio/translations"
EIGHT = "GOOD MORNING EVERYONE AND THANK YOU FOR COMING."


def wav(audio):
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(audio)
    return out.getvalue()


def live_matroska(samples):
    """A recording that does not say how long it lasts, as browsers record it."""

    class Sink:
        def __init__(self):
            self.data = b""

        def write(self, data):
            self.data += bytes(data)
            return len(data)

    sink = Sink()
    with av.open(sink, "w", format="matroska") as file:
        stream = file.add_stream("pcm_s16le", rate=16_000, layout="mono")
        pcm = (samples * 32767).astype("<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.rate = 16_000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return sink.data


def post(server, content=None, data=None, **options):
    files = {"file": ("talk.wav", wav(speech()) if content is None else content)}
    fields = {"to": "de"} if data is None else data
    return httpx.post(f"http://127.0.0.1:{server.port}{PATH}", data=fields, files=files, **options)


def field(name, value):
    return f'--X\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


FILE = b'--X\r\ncontent-disposition: form-data; name="file"; filename="talk.wav"\r\n\r\n'
END = b"\r\n--X--\r\n"


class Uploading:
    """A client that has sent a part of its upload."""

    def __init__(self, server, *parts, length):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {length}\r\n"
            "content-type: multipart/form-data; boundary=X\r\n\r\n"
        )
        self.socket.sendall(head.encode() + b"".join(parts))

    def answer(self):
        response = b""
        while b"}}" not in response:
            block = self.socket.recv(1 << 16)
            assert block, response
            response += block
        head, body = response.split(b"\r\n\r\n", 1)
        return int(head.split()[1]), json.loads(body)["error"]["code"]

    def close(self):
        self.socket.close()


def eventually(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Gated(ScriptedDrafter):
    """A model that does not come back before its gate is opened."""

    def __init__(self, gate):
        super().__init__()
        self.gate = gate

    def draft(self, *args, **options):
        assert self.gate.wait(60)
        return super().draft(*args, **options)


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


class Failing(ScriptedDrafter):
    def __init__(self, problem):
        super().__init__()
        self.problem = problem

    def draft(self, *args, **options):
        raise self.problem


def failing(problem):
    return ScriptedInterpreter(lambda: Failing(problem))


def test_a_busy_server_says_so_before_the_recording_has_been_sent(tmp_path):
    with serving(tmp_path, sessions=1) as server:
        with closing(Uploading(server, FILE, bytes(5000), length=1_000_000)):
            eventually(lambda: server.registry.taken == 1)
            with closing(Uploading(server, FILE, bytes(5000), length=1_000_000)) as second:
                assert second.answer() == (503, "busy")
        eventually(lambda: server.registry.taken == 0)
        assert post(server).json() == {"text": EVERYTHING}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"response_format": "pdf"}, "bad_message"),
        ({"latency": "warp"}, "bad_message"),
        ({"stream": "perhaps"}, "bad_message"),
        ({"to": "no language"}, "unsupported_direction"),
        ({"from": "en", "to": "cs"}, "unsupported_direction"),
    ],
)
def test_a_bad_field_is_refused_before_the_recording_has_been_sent(tmp_path, fields, code):
    parts = [field(*item) for item in fields.items()]
    with serving(tmp_path) as server:
        with closing(Uploading(server, *parts, FILE, bytes(5000), length=1_000_000)) as client:
            assert client.answer() == (400, code)
        eventually(lambda: server.registry.taken == 0)


def test_fields_may_come_after_the_recording(tmp_path):
    body = FILE + wav(speech(range(8))) + b"\r\n" + field("to", "de") + END
    kind = {"content-type": "multipart/form-data; boundary=X"}
    with serving(tmp_path) as server:
        answer = httpx.post(f"http://127.0.0.1:{server.port}{PATH}", content=body, headers=kind)
    assert answer.json() == {"text": EIGHT}


@pytest.mark.parametrize("body", [b"audio", b"--X\r\nnonsense", b"--X\r\n\r\n\r\n--X--"])
@pytest.mark.parametrize(
    "kind", ["audio/wav", "application/x-www-form-urlencoded", "multipart/form-data; boundary=X"]
)
def test_what_is_no_form_is_a_bad_message(tmp_path, kind, body):
    address = "http://127.0.0.1:{}" + PATH
    with serving(tmp_path) as server:
        headers = {"content-type": kind}
        answer = httpx.post(address.format(server.port), content=body, headers=headers)
        assert server.registry.taken == 0
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_message")


@pytest.mark.parametrize("make", [lambda samples: wav(speech()), live_matroska])
@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_recording_that_is_too_long_is_told_so(tmp_path, caplog, make, stream):
    content = make(tones(range(len(SCRIPT))))
    with serving(tmp_path, session=10) as server:
        answer = post(server, content, {"to": "de", "stream": stream})
        eventually(lambda: server.registry.taken == 0)
    if stream == "true":
        error = json.loads(answer.text.strip().splitlines()[-1][6:])["error"]
    else:
        assert answer.status_code == 413
        error = answer.json()["error"]
    assert error["code"] == "too_large" and "may last 10 s" in error["message"]
    assert re.search("too_large: Recordings may last 10 s", caplog.text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"this is no audio", "'talk.wav' cannot be read as audio or video: "),
        (b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n", "'talk.wav' has no sound in it"),
    ],
)
def test_what_cannot_be_heard_is_told_with_its_reason(tmp_path, caplog, content, said):
    with serving(tmp_path) as server:
        answer = post(server, content)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_audio"
    assert said in answer.json()["error"]["message"] and said in caplog.text


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (RuntimeError("the innermost cause"), "See the server's log."),
        (AlignattError("The innermost cause; do this."), "The innermost cause; do this."),
    ],
)
def test_what_fails_inside_is_logged_with_its_cause(tmp_path, caplog, problem, said):
    with serving(tmp_path, failing(problem)) as server:
        answer = post(server)
        eventually(lambda: server.registry.taken == 0)
        numbers = httpx.get(f"http://127.0.0.1:{server.port}/metrics").text
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "engine_failed")
    assert said in answer.json()["error"]["message"]
    assert str(problem) in caplog.text and "Traceback" in caplog.text
    assert 'alignatt_drops_total{reason="engine_failed"} 1.0' in numbers


def test_a_stream_that_fails_says_so_at_its_end(tmp_path, caplog):
    with serving(tmp_path, failing(RuntimeError("the innermost cause"))) as server:
        answer = post(server, data={"to": "de", "stream": "true"})
    last = json.loads(answer.text.strip().splitlines()[-1][6:])
    assert (last["type"], last["error"]["code"]) == ("error", "engine_failed")
    assert "the innermost cause" in caplog.text


def test_a_model_that_does_not_come_back_gives_the_place_back(tmp_path, caplog, gate):
    with serving(tmp_path, ScriptedInterpreter(lambda: Gated(gate)), step=0.5) as server:
        answer = post(server, timeout=20)
        eventually(lambda: server.registry.taken == 0)
        eventually(server.registry.stuck.is_set)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_stuck")
    assert "engine_stuck" in caplog.text


def test_a_model_that_hangs_is_noticed_when_its_client_has_gone(tmp_path, gate):
    body = field("to", "de") + FILE + wav(speech()) + END
    with serving(tmp_path, ScriptedInterpreter(lambda: Gated(gate)), step=0.5) as server:
        client = Uploading(server, body, length=len(body))
        eventually(lambda: server.registry.steps.longest() > 0.1)
        client.close()
        eventually(server.registry.stuck.is_set)


def test_an_upload_that_stops_gives_its_place_back(tmp_path):
    with (
        serving(tmp_path, idle=0.3) as server,
        closing(Uploading(server, FILE, bytes(5000), length=1_000_000)) as client,
    ):
        assert client.answer() == (408, "idle")
        eventually(lambda: server.registry.taken == 0)


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_client_that_goes_away_gives_its_place_back(tmp_path, gate, stream):
    body = field("to", "de") + field("stream", stream) + FILE + wav(speech()) + END
    with serving(tmp_path, ScriptedInterpreter(lambda: Gated(gate))) as server:
        client = Uploading(server, body, length=len(body))
        eventually(lambda: any(thread.name == "upload" for thread in threading.enumerate()))
        assert server.registry.taken == 1
        client.close()
        eventually(lambda: server.registry.taken == 0)
        gate.set()
        eventually(lambda: all(thread.name != "upload" for thread in threading.enumerate()))


def test_a_place_is_free_when_the_answer_is_there(tmp_path):
    with serving(tmp_path, sessions=1) as server:
        for stream in ("true", "false") * 4:
            answer = post(server, wav(speech(range(2))), {"to": "de", "stream": stream})
            assert answer.status_code == 200


class Verbose(ScriptedInterpreter):
    """Its sessions explain every chunk in a megabyte."""

    def open(self, *args, **options):
        session = super().open(*args, **options)
        feed = session.feed

        def explained(samples):
            yield from feed(samples)
            yield Trace(0, 0, (TokenTrace("x" * 1_000_000, "", 0.0, 0.0, 0.0, ""),))

        session.feed = explained
        return session


def test_a_long_upload_takes_no_more_memory_than_a_short_one(tmp_path):
    minutes = 8
    content = wav(np.zeros(minutes * 60 * 16_000, "<i2").tobytes())
    body = FILE + content + b"\r\n" + field("to", "de") + END
    with serving(tmp_path, Verbose()) as server:
        address = f"http://127.0.0.1:{server.port}{PATH}"
        kind = {"content-type": "multipart/form-data; boundary=X", "content-length": str(len(body))}
        parts = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
        tracemalloc.start()
        try:
            answer = httpx.post(address, content=parts, headers=kind, timeout=120)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.status_code == 200
    assert len(body) > 15_000_000
    assert peak < 12_000_000, peak


def test_a_thread_works_only_when_it_is_asked():
    done = []

    def steps():
        try:
            for number in range(10):
                done.append(number)
                yield number
        finally:
            done.append("closed")

    async def some():
        items = in_thread(steps(), 10)
        taken = [await anext(items) for _ in range(3)]
        await items.aclose()
        return taken

    assert run(some()) == [0, 1, 2]
    eventually(lambda: done[-1] == "closed")
    assert done == [0, 1, 2, "closed"]


def test_a_step_that_takes_too_long_is_given_up(gate):
    def steps():
        gate.wait(60)
        yield 1

    async def impatient():
        with pytest.raises(EngineStuck):
            await anext(in_thread(steps(), 0.1))

    run(impatient())


def test_what_goes_wrong_while_an_upload_is_closed_is_logged(caplog):
    def steps():
        try:
            yield 1
        finally:
            raise OSError("the disk is gone")

    async def read():
        async with aclosing(in_thread(steps(), 20)) as pieces:
            assert await anext(pieces) == 1

    asyncio.run(read())
    for _ in range(1000):
        if caplog.records:
            break
        time.sleep(0.01)
    assert "the disk is gone" in caplog.text
