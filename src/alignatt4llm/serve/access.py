"""Who may talk to the server: a token, the origin of pages, the name of the host."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hmac import compare_digest
from importlib import resources
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from alignatt4llm.errors import UsageError
from alignatt4llm.serve.connection import error_frame
from alignatt4llm.serve.errors import Unauthorized
from alignatt4llm.serve.failures import Failures
from alignatt4llm.serve.handshake import accept
from alignatt4llm.serve.origins import Origins

COOKIE = "alignatt"
LINKED = "/watch/"
"""What lies below it may be read by everybody who knows its name, and only read."""
PROBES = ("/healthz", "/readyz")
"""Paths that tell nothing but whether the server is well."""


class Access:
    """Refuses HTTP requests and WebSockets alike, before anything else sees them.

    Parameters
    ----------
    app
        What is protected.
    failures
        Takes refusals.
    token
        What clients must show: as a bearer token, as ``?token=``, or in the cookie that the page
        sets. None lets everybody in who reaches the server by a name that is its own.
    origins
        Other sites whose pages may use the server.
    """

    def __init__(
        self, app: ASGIApp, failures: Failures, token: str | None, origins: Origins
    ) -> None:
        self._app = app
        self._failures = failures
        self._token = token
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed."""
        if scope["type"] == "lifespan" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        try:
            self._check(HTTPConnection(scope))
        except Unauthorized as problem:
            await self._refuse(problem, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, asked: HTTPConnection) -> None:
        host = asked.headers.get("host", "")
        if not self._token and not self._is_own(host):
            raise Unauthorized(f"This server is not known as '{host[:80]}'.")
        origin = asked.headers.get("origin")
        reads = asked.scope["type"] == "http" and asked.scope["method"] in ("GET", "HEAD")
        known = not origin or self._origins.own(origin, host) or self._origins.allow(origin)
        if origin and not (reads or known):
            raise Unauthorized(f"Pages of '{origin[:80]}' may not use this server.")
        linked = reads and asked.scope["path"].startswith(LINKED)
        if self._token and not linked and not any(self._shown(asked)):
            raise Unauthorized("This server asks for its token: a bearer token, or ?token=.")

    def _is_own(self, host: str) -> bool:
        """Whether a name cannot have been pointed here by somebody else's DNS."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or self._origins.names(host):
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True

    def _shown(self, asked: HTTPConnection) -> Iterable[bool]:
        token = self._token or ""
        scheme, _, bearer = asked.headers.get("authorization", "").partition(" ")
        shown = bearer.strip(" \t").encode("latin-1")  # the bytes that came
        for written in _written(token):
            yield scheme.lower() == "bearer" and compare_digest(shown, written)
        yield compare_digest(asked.query_params.get("token", "").encode(), token.encode())
        yield compare_digest(asked.cookies.get(COOKIE, "").encode(), cookie_for(token).encode())

    async def _refuse(
        self, problem: Unauthorized, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            self._failures.note(socket, problem)
            await accept(socket)
            await socket.send_text(error_frame(problem))
            await socket.close(problem.close or 1008)
            return
        request = Request(scope, receive)
        response = self._failures.told(request, problem)
        if "text/html" in request.headers.get("accept", ""):
            page = resources.files("alignatt4llm.serve") / "page" / "token.html"
            response = HTMLResponse(page.read_text("utf-8"), problem.status)
        response.headers["www-authenticate"] = "Bearer"
        await response(scope, receive, send)


def cookie_for(token: str) -> str:
    """Return the value of the cookie that stands for the token."""
    return hashlib.sha256(b"alignatt cookie " + token.encode()).hexdigest()


def check_token(token: str | None) -> None:
    """Refuse a token that no client can show.

    Raises
    ------
    UsageError
        If it holds characters that no header can.
    """
    if token and (not token.isprintable() or token != token.strip()):
        raise UsageError(
            "ALIGNATT_TOKEN holds a line end or another character that clients cannot send; "
            "set it to a long random text of letters and digits."
        )


def check_exposure(host: str, token: str | None) -> None:
    """Refuse to be reachable from elsewhere without a token.

    Raises
    ------
    UsageError
        If ``host`` is not this machine's loopback and there is no token.
    """
    try:
        loopback = host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    if not loopback and not token:
        raise UsageError(
            f"Anybody who reaches '{host}' could use this server; set ALIGNATT_TOKEN to a long "
            "random text, or leave out --host to serve this machine only."
        )


def _written(token: str) -> Iterator[bytes]:
    """Yield a token as it may stand in a header: clients write other letters in either way."""
    yield token.encode()
    with suppress(UnicodeEncodeError):
        yield token.encode("latin-1")
