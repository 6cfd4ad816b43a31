"""Everything but the audio door: access, captions, transcripts, uploads, numbers."""

import asyncio
import json
import os
import ssl
import subprocess
import time
import wave
from contextlib import suppress

import httpx
import pytest
import websockets
from serve_harness import EVERYTHING, Client, run, serving, speech, stop
from websockets.exceptions import ConnectionClosed, InvalidStatus

from alignatt4llm.cli.main import main
from alignatt4llm.errors import UsageError
from alignatt4llm.recognizers.tones import SCRIPT
from alignatt4llm.serve.access import check_exposure
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.server import Settings

EIGHT = "GOOD MORNING EVERYONE AND THANK YOU FOR COMING."


def base(server, scheme="http"):
    return f"{scheme}://127.0.0.1:{server.port}"


def talk(server, words=range(8), token=None):
    async def whole():
        headers = {"authorization": f"Bearer {token}"} if token else {}
        client = await Client(server, additional_headers=headers).open()
        await client.play(speech(words))
        await client.finish()
        return client

    return run(whole())


def write_wav(path, audio):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(audio)
    return path


async def first_code(socket):
    with suppress(ConnectionClosed):
        await socket.send("{}")
    return json.loads(await socket.recv())["code"]


GUARDED = [
    ("GET", "/"),
    ("GET", "/page/app.js"),
    ("GET", "/about"),
    ("GET", "/metrics"),
    ("GET", "/captions/abcdefghijklmnop"),
    ("GET", "/transcripts/abcdefghijklmnop.srt"),
    ("POST", "/v1/audio/translations"),
    ("GET", "/nothing"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("shown", [{}, {"authorization": "Bearer wrong"}, {"cookie": "alignatt=x"}])
def test_no_path_answers_without_the_token(tmp_path, method, path, shown):
    with serving(tmp_path, token="secret") as server:
        answer = httpx.request(method, base(server) + path, headers=shown)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "unauthorized"
        right = {"authorization": "Bearer secret"}
        assert httpx.request(method, base(server) + path, headers=right).status_code != 401
        assert httpx.request(method, base(server) + path + "?token=secret").status_code != 401


@pytest.mark.parametrize("path", ["/live", "/text", "/"])
def test_no_socket_answers_without_the_token(tmp_path, path):
    async def first_frame(address, **headers):
        async with websockets.connect(address, additional_headers=headers) as socket:
            return await first_code(socket)

    with serving(tmp_path, token="secret") as server:
        address = f"ws://127.0.0.1:{server.port}{path}"
        assert run(first_frame(address)) == "unauthorized"
        assert run(first_frame(address + "?token=wrong")) == "unauthorized"
        assert run(first_frame(address + "?token=secret")) != "unauthorized"
        assert run(first_frame(address, authorization="bearer secret")) != "unauthorized"


def test_probes_need_no_token_and_the_page_trades_it_for_a_cookie(tmp_path):
    with serving(tmp_path, token="secret") as server, httpx.Client(base_url=base(server)) as client:
        assert client.get("/healthz").text == "ok\n"
        assert client.get("/readyz").text == "ready\n"
        refused = client.get("/", headers={"accept": "text/html"})
        assert refused.status_code == 401 and "<form" in refused.text
        answer = client.get("/?token=secret")
        assert answer.status_code == 303 and answer.headers["location"] == "."
        cookie = answer.headers["set-cookie"]
        assert "secret" not in cookie and "HttpOnly" in cookie and "SameSite=strict" in cookie
        page = client.get("/")
        assert page.status_code == 200 and "default-src 'self'" in str(page.headers)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"origin": "http://127.0.0.1:{port}"}, True),
        ({"origin": "https://friend.example"}, True),
        ({"origin": "https://foe.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://127.0.0.1:1"}, False),
        ({"origin": "http://foe.example:{port}", "host": "foe.example:{port}"}, False),
    ],
)
def test_pages_of_other_sites_are_kept_out(tmp_path, headers, allowed):
    async def first_frame(**extra):
        async with websockets.connect(
            f"ws://127.0.0.1:{server.port}/live", additional_headers=extra, origin=None
        ) as socket:
            return await first_code(socket)

    with serving(tmp_path, origins=("https://friend.example",)) as server:
        shown = {key: value.format(port=server.port) for key, value in headers.items()}
        posted = httpx.post(base(server) + "/v1/audio/translations", headers=shown)
        assert (posted.status_code != 401) == allowed
        if "host" not in shown:
            assert (run(first_frame(**shown)) == "bad_message") == allowed


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_a_server_for_everybody_needs_a_token(host):
    with pytest.raises(UsageError, match="ALIGNATT_TOKEN"):
        check_exposure(host, None)
    check_exposure(host, "secret")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_a_server_for_this_machine_needs_none(host):
    check_exposure(host, None)


def test_impossible_settings_are_sentences(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("ALIGNATT_TOKEN", raising=False)
    assert main(["serve", "--model", "scripted", "--host", "0.0.0.0"]) == 2
    assert "ALIGNATT_TOKEN" in capsys.readouterr().err
    assert main(["serve", "--model", "scripted", "--tls-cert", "none.pem"]) == 2
    assert "--tls-key" in capsys.readouterr().err
    with serving(tmp_path) as server:
        assert main(["serve", "--model", "scripted", "--port", str(server.port)]) == 2
    assert "choose another with --port" in capsys.readouterr().err
    assert main(["serve", "--model", "scripted", "--port", "70000"]) == 2
    assert "0..65535" in capsys.readouterr().err
    with pytest.raises(UsageError, match="sessions"):
        Limits(sessions=0)
    with pytest.raises(UsageError, match="no file"):
        Settings(tmp_path, certificate=tmp_path / "no.pem", key=tmp_path / "no.key")


def test_tls(tmp_path):
    from alignatt4llm.scripted import ScriptedInterpreter
    from alignatt4llm.serve.server import Server

    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    try:
        command = [*made, "-keyout", str(key), "-out", str(cert)]
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the command openssl to make a certificate")
    context = ssl.create_default_context(cafile=str(cert))
    import threading

    server = Server(
        ScriptedInterpreter(), Settings(tmp_path / "j", port=0, certificate=cert, key=key)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    try:
        assert httpx.get(base(server, "https") + "/healthz", verify=context).text == "ok\n"

        async def hello():
            address = f"wss://127.0.0.1:{server.port}/live"
            async with websockets.connect(address, ssl=context) as socket:
                await socket.send('{"type": "ping", "id": 3}')
                return json.loads(await socket.recv())

        assert run(hello()) == {"type": "pong", "id": 3}
    finally:
        stop(server, thread)


def test_captions_are_an_event_stream_that_goes_on_after_a_break(tmp_path):
    def frames(text):
        blocks = [
            dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            for block in text.split("\n\n")
        ]
        return [(b.get("id"), json.loads(b["data"])) for b in blocks if "data" in b]

    with serving(tmp_path) as server:
        done = talk(server, [*range(len(SCRIPT))] * 4)
        address = f"{base(server)}/captions/{done.hello['session']}"
        stream = {"accept": "text/event-stream"}
        page = httpx.get(address)
        assert page.headers["content-type"].startswith("text/html")
        recent = frames(httpx.get(address, headers=stream).text)
        assert len(recent) == 20 and recent[-1][1]["type"] == "end"
        whole = frames(httpx.get(address, headers={**stream, "last-event-id": "0"}).text)
        said = "".join(data["text"] for _, data in whole if data["type"] == "commit")
        assert said == " ".join([EVERYTHING] * 4)
        assert [int(number) for number, _ in whole] == list(range(1, len(whole) + 1))
        last = {**stream, "last-event-id": whole[-1][0]}
        assert httpx.get(address, headers=last).status_code == 204
        assert httpx.get(base(server) + "/captions/nobodyknowsthisone").status_code == 404


def test_captions_follow_a_running_session(tmp_path):
    async def both():
        client = await Client(server).open()
        address = f"{base(server)}/captions/{client.hello['session']}"
        asked = {"accept": "text/event-stream"}
        async with (
            httpx.AsyncClient() as http,
            http.stream("GET", address, headers=asked) as feed,
        ):
            await client.play(speech(range(8)))
            text = await client.finish()
            return text, [line async for line in feed.aiter_lines()]

    with serving(tmp_path) as server:
        text, lines = run(both())
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    assert "".join(event["text"] for event in events if event["type"] == "commit") == text == EIGHT
    assert events[-1]["type"] == "end"


def test_transcripts_can_be_downloaded_at_any_moment(tmp_path):
    async def while_it_runs():
        client = await Client(server).open()
        await client.play(speech(range(12)) + bytes(3200))
        while "TODAY" not in client.text:
            await client.until("commit")
        async with httpx.AsyncClient() as http:
            name = client.hello["session"]
            files = {
                kind: (await http.get(f"{base(server)}/transcripts/{name}.{kind}"))
                for kind in ("srt", "vtt", "txt", "jsonl")
            }
        return client.text, files

    with serving(tmp_path) as server:
        text, files = run(while_it_runs())
        wrong = httpx.get(f"{base(server)}/transcripts/abcdefghijklmnop.exe")
        assert wrong.status_code == 404
    assert all(file.status_code == 200 for file in files.values())
    assert " ".join(files["txt"].text.split()).startswith(text)
    assert files["txt"].text.splitlines()[0] == EIGHT
    assert files["srt"].text.startswith("1\n00:00:00,000 --> ")
    assert files["vtt"].text.startswith("WEBVTT\n\n1\n00:00:00.000 --> ")
    for kind in ("srt", "vtt"):
        assert EIGHT in " ".join(files[kind].text.split()) and "TODAY" in files[kind].text
    said = [json.loads(line) for line in files["jsonl"].text.splitlines()]
    written = "".join(event["text"] for event in said if event["type"] == "commit")
    assert written.startswith(text)
    assert "attachment" in files["srt"].headers["content-disposition"]


@pytest.mark.parametrize("kind", ["json", "text", "srt", "vtt", "verbose_json"])
def test_a_file_is_translated_as_openai_would_answer(tmp_path, kind):
    recording = write_wav(tmp_path / "speech.wav", speech())
    with serving(tmp_path / "journals") as server:
        answer = httpx.post(
            base(server) + "/v1/audio/translations",
            files={"file": ("speech.wav", recording.read_bytes())},
            data={"model": "any", "to": "German", "response_format": kind},
        )
    assert answer.status_code == 200, answer.text
    if kind == "json":
        assert answer.json() == {"text": EVERYTHING}
    elif kind == "text":
        assert answer.text == EVERYTHING + "\n"
    elif kind == "verbose_json":
        body = answer.json()
        assert (body["language"], body["text"]) == ("de", EVERYTHING)
        assert " ".join(segment["text"] for segment in body["segments"]) == EVERYTHING
        assert body["duration"] == pytest.approx(len(SCRIPT) * 0.4)
    else:
        assert EIGHT in " ".join(answer.text.split())


@pytest.mark.parametrize(("to", "status"), [("de", 200), ("zh", 400)])
def test_a_format_that_cannot_hold_the_language_is_refused(tmp_path, to, status):
    recording = write_wav(tmp_path / "speech.wav", speech())
    with serving(tmp_path / "journals") as server:
        answer = httpx.post(
            base(server) + "/v1/audio/translations",
            files={"file": ("speech.wav", recording.read_bytes())},
            data={"to": to, "response_format": "scc"},
        )
    assert answer.status_code == status
    if status == 200:
        assert answer.text.startswith("Scenarist_SCC")
    else:
        assert "SCC holds Latin letters only" in answer.json()["error"]["message"]


def test_a_file_is_translated_as_a_stream(tmp_path):
    recording = write_wav(tmp_path / "speech.wav", speech())
    with serving(tmp_path / "journals", sessions=1) as server:
        answer = httpx.post(
            base(server) + "/v1/audio/translations",
            files={"file": ("speech.wav", recording.read_bytes())},
            data={"to": "de", "stream": "true"},
        )
        assert server.registry.taken == 0
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line]
    deltas = [event["delta"] for event in events if event["type"] == "transcript.text.delta"]
    assert len(deltas) > 5 and "".join(deltas) == EVERYTHING
    assert events[-1] == {"type": "transcript.text.done", "text": EVERYTHING}


@pytest.mark.parametrize(
    ("data", "content", "status", "code"),
    [
        ({}, b"RIFF", 400, "unsupported_direction"),
        ({"to": "cs"}, b"RIFF", 400, "unsupported_direction"),
        ({"to": "de"}, None, 400, "bad_message"),
        ({"to": "de"}, b"this is no audio", 400, "bad_audio"),
        ({"to": "de"}, b"", 400, "bad_audio"),
        ({"to": "de", "latency": "warp"}, b"x", 400, "bad_message"),
        ({"to": "de", "response_format": "pdf"}, b"x", 400, "bad_message"),
        ({"to": "de"}, bytes(20_000), 413, "too_large"),
    ],
)
def test_a_bad_upload_gets_a_sentence(tmp_path, data, content, status, code):
    with serving(tmp_path, upload=10_000) as server:
        answer = httpx.post(
            base(server) + "/v1/audio/translations",
            data=data,
            files={"file": ("a.wav", content)} if content is not None else {"other": b"x"},
        )
        assert server.registry.taken == 0
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["code"] == code


def test_the_numbers_say_what_happened(tmp_path):
    with serving(tmp_path, sessions=1) as server:
        talk(server, range(len(SCRIPT)))
        with pytest.raises(AssertionError):
            run(Client(server).open(to="tlh"))
        text = httpx.get(base(server) + "/metrics").text
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(numbers['alignatt_sessions_ended_total{reason="end"}']) == 1
    assert float(numbers['alignatt_holds_total{reason="peak_inaccessible"}']) > 0
    assert float(numbers['alignatt_draft_tokens_total{decision="accepted"}']) > 0
    assert float(numbers['alignatt_drops_total{reason="unsupported_direction"}']) == 1
    assert float(numbers["alignatt_lag_seconds_count"]) > 0
    assert float(numbers["alignatt_real_time_factor_count"]) > 0


def test_old_transcripts_are_deleted(tmp_path):
    def tidy(now):
        asyncio.run_coroutine_threadsafe(server.registry.tidy(now), server.loop).result()

    with serving(tmp_path, keep=3600) as server:
        done = talk(server)
        path = tmp_path / f"{done.hello['session']}.jsonl"
        tidy(time.monotonic() + 7200)
        assert path.exists()
        os.utime(path, (0, 0))
        tidy(time.monotonic() + 3 * 7200)
        assert not path.exists()


def test_unknown_paths_and_methods(tmp_path):
    with serving(tmp_path) as server:
        assert httpx.get(base(server) + "/nothing").status_code == 404
        assert httpx.get(base(server) + "/page/..%2fapp.py").status_code == 404
        assert httpx.get(base(server) + "/v1/audio/translations").status_code == 405
        with pytest.raises((InvalidStatus, ConnectionClosed)):
            run(Client(server, path="/nothing").open())
