"""Failures are logged with their cause and told in one shape; tokens and handshakes."""

import json
import re
import socket
import sys
from contextlib import suppress

import httpx
import pytest
import websockets
from serve_harness import Client, run, serving, speech
from test_uploads import PATH, failing, post
from websockets.exceptions import ConnectionClosed

from alignatt4llm.cli.main import main
from alignatt4llm.errors import UsageError
from alignatt4llm.serve.server import Settings


def url(server, path):
    return f"http://127.0.0.1:{server.port}{path}"


def lines(caplog):
    return [r.getMessage() for r in caplog.records if r.name == "alignatt4llm.serve.failures"]


async def said(server, path, *messages):
    """Say something to a door and return the codes of the errors it answers with."""
    codes = []
    async with websockets.connect(f"ws://127.0.0.1:{server.port}{path}") as socket:
        with suppress(ConnectionClosed):
            for message in messages:
                await socket.send(message)
            while True:
                frame = json.loads(await socket.recv())
                codes += [frame["code"]] if frame["type"] == "error" else []
                if codes and not frame.get("fatal"):
                    break
    return codes


@pytest.mark.parametrize(
    ("method", "path", "options", "line"),
    [
        ("GET", "/nothing", {}, "GET /nothing: not_found: "),
        ("PUT", "/about", {}, "PUT /about: method_not_allowed: "),
        ("GET", "/captions/abcdefghijklmnop", {}, "GET /captions/abcdefghijklmnop: unknown_ses"),
        ("GET", "/transcripts/abcdefghijklmnop.exe", {}, ": not_found: Transcripts come as"),
        ("GET", "/v1/models/other", {}, "GET /v1/models/other: not_found: "),
        ("POST", PATH, {}, f"POST {PATH}: bad_message: "),
        ("POST", PATH, {"files": {"file": b"x"}, "data": {"to": "de"}}, "bad_audio: 'upload'"),
        ("POST", PATH, {"headers": {"origin": "https://foe.example"}}, "unauthorized: Pages of"),
        ("GET", "/a%0Ab%1b[2J", {}, "GET /a b[2J: not_found"),
    ],
)
def test_every_refusal_is_one_line_of_the_log(tmp_path, caplog, method, path, options, line):
    with serving(tmp_path) as server:
        answer = httpx.request(method, url(server, path), **options)
    [logged] = lines(caplog)
    assert line in logged and "\n" not in logged
    assert f"[{answer.headers['x-request-id']}]" in logged
    assert answer.json()["error"]["message"] in logged


@pytest.mark.parametrize(
    ("path", "message", "line"),
    [
        ("/live", "{", "WebSocket /live: bad_message: "),
        ("/live", '{"type": "start", "version": 1, "to": "tlh"}', ": unsupported_direction: "),
        ("/live", '{"type": "resume", "version": 1, "session": "a", "key": "b", "seq": 0}', "unkn"),
        ("/text", "{", "WebSocket /text: bad_message: "),
        ("/text", '{"type": "init", "protocol_version": 7}', "WebSocket /text: bad_message: "),
    ],
)
def test_the_doors_log_what_they_refuse(tmp_path, caplog, path, message, line):
    with serving(tmp_path) as server:
        assert run(said(server, path, message))
    assert any(line in logged for logged in lines(caplog)), lines(caplog)


@pytest.mark.parametrize("token", ["secret-of-mine", "schlüssel"])
def test_no_token_and_no_key_is_logged(tmp_path, caplog, token):
    async def talk():
        client = Client(server, path=f"/live?token={token}")
        await client.open()
        await client.say("nonsense")
        await client.next()
        return client.hello["key"]

    with serving(tmp_path, token=token) as server:
        httpx.get(url(server, f"/nothing?token={token}"))
        httpx.get(url(server, f"/about?token={token}x"))
        key = run(talk())
        logged = lines(caplog)
    assert len(logged) == 3, logged
    assert token not in caplog.text and key not in caplog.text


def test_what_nobody_has_thought_of_is_logged_and_told(tmp_path, caplog):
    with serving(tmp_path) as server:
        server.registry.broadcast = None
        answer = httpx.get(url(server, "/captions/abcdefghijklmnop"))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "internal_error")
    assert "TypeError" not in error["message"]
    assert "GET /captions/abcdefghijklmnop: internal_error: TypeError" in caplog.text


def test_a_failure_inside_is_told_as_one_of_the_server(tmp_path, caplog):
    with serving(tmp_path, failing(RuntimeError("the innermost cause"))) as server:
        error = post(server).json()["error"]
    assert (error["type"], error["code"]) == ("server_error", "engine_failed")
    assert "the innermost cause" in lines(caplog)[-1]


LETTERS = ["schlüssel", "ключ", "鍵🔑", "pass phrase", "naïve café", "a/b+c=="]
LETTERS += ["voilà", "SÅ", "успех", "АБВГР", "नमस्ते à"]  # their last byte is white in Latin-1


def written(token):
    """Return the ways in which clients write a token into a header."""
    with suppress(UnicodeEncodeError):
        return {token.encode(), token.encode("latin-1")}
    return {token.encode()}


@pytest.mark.parametrize(
    ("token", "shown"), [(token, shown) for token in LETTERS for shown in sorted(written(token))]
)
def test_a_token_may_have_letters_of_every_alphabet(tmp_path, token, shown):
    bearer = [(b"authorization", b"Bearer " + shown)]
    with serving(tmp_path, token=token) as server:
        assert httpx.get(url(server, "/about"), headers=bearer).status_code == 200
        assert httpx.get(url(server, "/about"), params={"token": token}).status_code == 200
        with httpx.Client() as browser:
            browser.get(url(server, "/"), params={"token": token})
            assert browser.get(url(server, "/about")).status_code == 200
        for wrong in (shown[:-1], shown + b"x", b"?" * len(token), b"\xff\xfe"):
            bearer = [(b"authorization", b"Bearer " + wrong)]
            assert httpx.get(url(server, "/about"), headers=bearer).status_code == 401


@pytest.mark.parametrize("token", ["a\nb", "a\r\n", "a\0b", " a", "a\t", "a\udcff", "a\x7f"])
def test_a_token_that_no_client_can_send_is_refused_at_the_start(tmp_path, token):
    with pytest.raises(UsageError, match="ALIGNATT_TOKEN"):
        Settings(tmp_path, token=token)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "tlh"], "Unknown language 'tlh'"),
        (["--to", "en"], "English is what is spoken"),
        (["--from", "martian"], "Unknown language 'martian'"),
        (["--origin", "their.site"], "--origin https://their.site"),
        (["--origin", "*"], "ALIGNATT_TOKEN"),
        (["--to", "de", "it", "--glossary", "{terms}"], "A glossary is for one target language"),
        (["--to", "de,it", "--glossary", "{terms}"], "A glossary is for one target language"),
        (["--glossary", "{terms}"], "A glossary is for one target language"),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_is_loaded(
    capsys, monkeypatch, tmp_path, options, said
):
    (terms := tmp_path / "terms.txt").write_text("head = Kopf\n")
    options = [option.format(terms=terms) for option in options]
    monkeypatch.delenv("ALIGNATT_TOKEN", raising=False)
    monkeypatch.setattr("alignatt4llm.cli.serve._interpreter", None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]  # should it come that far
        assert main(["serve", *options, "--port", str(port)]) == 2
    assert said in capsys.readouterr().err


def test_a_token_with_a_line_end_around_it_is_taken_without(monkeypatch, tmp_path):
    served = []
    monkeypatch.setenv("ALIGNATT_TOKEN", " secret\n")
    monkeypatch.setattr("alignatt4llm.cli.serve._interpreter", lambda args: None)
    monkeypatch.setattr(
        "alignatt4llm.serve.server.listen",
        lambda settings: served.append(settings) or sys.exit(0),
    )
    with pytest.raises(SystemExit):
        main(["serve", "--model", "scripted", "--to", "de", "--transcripts", str(tmp_path)])
    assert served[0].token == "secret"
    assert (served[0].defaults.source, served[0].defaults.targets) == ("en", ("de",))


@pytest.mark.parametrize("path", ["/live", "/text", "/"])
@pytest.mark.parametrize("offered", [["alignatt"], ["v2.alignatt", "v1"], None])
@pytest.mark.parametrize("token", [None, "secret"])
def test_a_browser_that_offers_subprotocols_is_taken_in(tmp_path, path, offered, token):
    async def chosen():
        address = f"ws://127.0.0.1:{server.port}{path}"
        async with websockets.connect(address, subprotocols=offered) as socket:
            return socket.subprotocol

    with serving(tmp_path, token=token) as server:
        assert run(chosen()) == (offered and offered[0])


def test_head_of_a_feed_takes_no_viewers_place(tmp_path):
    async def talk():
        client = await Client(server).open()
        await client.play(speech(range(8)))
        return client.hello["session"]

    with serving(tmp_path, viewers=1) as server:
        address = url(server, f"/captions/{run(talk())}")
        feed = {"accept": "text/event-stream"}
        for _ in range(3):
            answer = httpx.head(address, headers=feed)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
        assert re.match("<!doctype html>", httpx.get(address).text, re.IGNORECASE)
