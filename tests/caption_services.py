"""A YouTube and a Zoom on loopback that check what they are sent, and misbehave by a script."""

import json
import re
import struct
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SO_LINGER, SOL_SOCKET
from urllib.parse import parse_qs, urlsplit

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}")
TAKEN = ("ok", "reset once taken", "cut once taken", "silent once taken")
"""What may happen to a post that is taken; anything else is not."""


class Service:
    """What a service has taken, in the order in which it was taken.

    Attributes
    ----------
    script
        What happens to the next posts: a status, (status, Retry-After), or one of `TAKEN` and its
        opposites; when it is over, all is well.
    posts
        Every post as it came: seq and text.
    taken
        Texts under their numbers.
    faults
        What a client did wrong.
    """

    def __init__(self, script=(), last=0):
        self.script = list(script)
        self.last, self.counter = last, ""
        self.slow = 0.0  # seconds before an answer
        self.posts, self.taken, self.stamps, self.faults = [], {}, [], []
        self.go_on = threading.Event()
        self.come = threading.Event()

    def next(self):
        return self.script.pop(0) if self.script else "ok"

    def check(self, handler, query):
        if handler.headers["content-type"].partition(";")[0] != "text/plain":
            self.faults.append("content type")
        if query.get("cid") != ["k%C3%A4y==".replace("%C3%A4", "ä")]:
            self.faults.append(f"key {query}")

    def take(self, handler, query, body):
        """Take a post, unless it repeats the last one."""
        seq = int(query["seq"][0])
        self.posts.append((seq, body))
        if seq == self.last + 1:
            self.taken[seq] = self.read(query, body)
            self.last = seq
        elif seq != self.last or self.taken.get(seq) != self.read(query, body):
            self.faults.append(f"{seq} after {self.last}")

    def answer(self):
        return "2026-11-29T12:00:00.000\n"


class YouTube(Service):
    def read(self, query, body):
        stamp, text, end = body.split("\n")
        if end or not STAMP.fullmatch(stamp):
            self.faults.append(f"body {body!r}")
        self.stamps.append(stamp)
        return text.split("<br>")


class Zoom(Service):
    def read(self, query, body):
        if not re.fullmatch("[a-z]{2,3}-[A-Z]{2}", query["lang"][0]) or body[-1] != "\n":
            self.faults.append(f"{query['lang']} {body!r}")
        return body.removesuffix("\n").split("\n")


class Webhook(Service):
    """Takes JSON, each key once, in any order."""

    def check(self, handler, query):
        if handler.headers["content-type"] != "application/json":
            self.faults.append("content type")

    def take(self, handler, query, body):
        key, content = handler.headers["idempotency-key"], json.loads(body)
        self.posts.append((key, content))
        if self.taken.setdefault(key, content) != content:
            self.faults.append(f"another {key}")


def _handler(service):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *about):
            pass

        def do_GET(self):
            if urlsplit(self.path).path != "/closedcaption/seq":
                return self.reply(404)
            what = service.next()
            self.reply(200, service.counter or str(service.last)) if what == "ok" else (
                self.misbehave(what)
            )

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            query = parse_qs(urlsplit(self.path).query)
            service.check(self, query)
            what = service.next()
            if what in TAKEN:
                service.take(self, query, body)
            service.come.set()
            time.sleep(service.slow)
            self.reply(200, service.answer()) if what == "ok" else self.misbehave(what)

        def misbehave(self, what):
            if isinstance(what, str):
                self.close_connection = True
            if isinstance(what, int):
                self.reply(what)
            elif isinstance(what, tuple):
                self.reply(what[0], retry=what[1])
            elif what.startswith("silent"):
                service.go_on.wait(30)
            elif what.startswith("reset"):
                self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            elif what.startswith("cut"):
                self.wfile.write(b"HTTP/1.1 200")

        def reply(self, status, text="", retry=None):
            self.send_response(status)
            if retry is not None:
                self.send_header("Retry-After", retry)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, address):
        pass  # a client that gives up


@contextmanager
def listening(service, port=0):
    """Yield the address of a service."""
    server = _Server(("127.0.0.1", port), _handler(service))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/closedcaption?cid=k%C3%A4y=="
    finally:
        service.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
