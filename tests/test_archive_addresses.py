"""Recordings of an archive that are not files, and what breaks off on its way."""

import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from archives import archive, results, said, subtitle, talk, text

from alignatt4llm.archive.work import Worker


class Server:
    """A web server that sends so many bytes of a recording, for each request, and closes."""

    def __init__(self, content, states_length=True):
        self.shares, outer = [], self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(200)
                if states_length:
                    self.send_header("Content-Length", str(len(content)))
                self.send_header("Connection", "close")
                self.end_headers()
                share = outer.shares.pop(0) if outer.shares else 1.0
                with suppress(OSError):
                    self.wfile.write(content[: int(len(content) * share)])
                self.close_connection = True

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/a.wav"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def spoken(tmp_path):
    return talk(tmp_path / "a.wav", range(30)).read_bytes()


@pytest.mark.parametrize(
    ("shares", "code"),
    [([], 0), ([0.5], 0), ([0.9], 0), ([0.5, 0.5], 1), ([0.5, 0.0], 1), ([0.0001, 0.5], 1)],
)
def test_an_address_that_breaks_off_is_a_failure(tmp_path, worked, capsys, shares, code):
    out = tmp_path / "out"
    with Server(spoken(tmp_path)) as server:
        server.shares += shares
        arguments = [server.address, "--to", "de", "--out", out]
        assert subtitle(*arguments) == code
        assert len(worked) == 1 + (len(shares) > 0)
        assert len(results(out)) == 1 - code
        assert not re.search(r"[^.] It is tried", capsys.readouterr().err)
        assert subtitle(*arguments) == 0
    assert text(results(out)["a.de.srt"]) == said(range(30))
    assert not (out / "failed.txt").exists()


def test_a_server_that_does_not_say_how_long_it_is_can_be_read(tmp_path):
    with Server(spoken(tmp_path), states_length=False) as server:
        assert subtitle(server.address, "--to", "de", "--out", tmp_path / "out") == 0
    assert text(results(tmp_path / "out")["a.de.srt"]) == said(range(30))


def test_what_a_store_breaks_off_is_a_failure(tmp_path, capsys):
    fsspec = pytest.importorskip("fsspec")
    content = spoken(tmp_path)
    with fsspec.open("memory://bucket/half.wav", "wb") as file:
        file.write(content[: len(content) // 2])
    (tmp_path / "list.txt").write_text("memory://bucket/half.wav\n")
    out = tmp_path / "out"
    assert subtitle(tmp_path / "list.txt", "--to", "de", "--out", out) == 1
    assert results(out) == {}
    with fsspec.open("memory://bucket/half.wav", "wb") as file:
        file.write(content)
    assert subtitle(tmp_path / "list.txt", "--to", "de", "--out", out) == 0
    assert text(results(out)["half.de.srt"]) == said(range(30))


@pytest.mark.parametrize("said_", ["Connection reset by peer", "It is so.", "Why?", "odd"])
def test_every_problem_is_a_sentence(tmp_path, monkeypatch, capsys, said_):
    archive(tmp_path, "a.wav")

    def fails(*_):
        raise OSError(said_)

    monkeypatch.setattr(Worker, "_collect", fails)
    assert subtitle(tmp_path / "a.wav", "--to", "de", "--out", tmp_path / "out") == 1
    assert re.search(r"[a-z][.?] It is tried once more", capsys.readouterr().err)
