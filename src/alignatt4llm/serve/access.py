"""Who may talk to the server: a token, the origin of pages, the name of the host."""

import hashlib
import hmac
from collections.abc import Iterable
from importlib import resources
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from alignatt4llm.errors import UsageError
from alignatt4llm.serve.connection import error_frame
from alignatt4llm.serve.errors import Unauthorized
from alignatt4llm.serve.metrics import Metrics

COOKIE = "alignatt"
OPEN = ("/healthz", "/readyz")
"""Paths for probes; they tell nothing but whether the server is well."""


class Access:
    """Refuses HTTP requests and WebSockets alike, before anything else sees them.

    Parameters
    ----------
    app
        What is protected.
    metrics
        Counts refusals.
    token
        What clients must show: as a bearer token, as ``?token=``, or in the cookie that the page
        sets. None lets everybody in who reaches the server by a name that is its own.
    origins
        Other sites whose pages may use the server, such as ``https://example.org``.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, token: str | None, origins: Iterable[str] = ()
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._token = token
        self._origins = {_netloc(origin) for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is allowed."""
        if scope["type"] == "lifespan" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        try:
            self._check(HTTPConnection(scope))
        except Unauthorized as problem:
            self._metrics.drops.labels(problem.code).inc()
            await _refuse(problem, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, asked: HTTPConnection) -> None:
        host = asked.headers.get("host", "")
        if not self._token and not self._is_own(host):
            raise Unauthorized(f"This server is not known as '{host[:80]}'.")
        origin = asked.headers.get("origin")
        reads = asked.scope["type"] == "http" and asked.scope["method"] in ("GET", "HEAD")
        if origin and not reads and _netloc(origin) not in {host, *self._origins}:
            raise Unauthorized(f"Pages of '{origin[:80]}' may not use this server.")
        if self._token and not any(self._shown(asked)):
            raise Unauthorized("This server asks for its token: a bearer token, or ?token=.")

    def _is_own(self, host: str) -> bool:
        """Whether a name cannot have been pointed here by somebody else's DNS."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or host in self._origins:
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True

    def _shown(self, asked: HTTPConnection) -> Iterable[bool]:
        token = self._token or ""
        scheme, _, bearer = asked.headers.get("authorization", "").partition(" ")
        yield scheme.lower() == "bearer" and _same(bearer.strip(), token)
        yield _same(asked.query_params.get("token", ""), token)
        yield _same(asked.cookies.get(COOKIE, ""), cookie_for(token))


def cookie_for(token: str) -> str:
    """Return the value of the cookie that stands for the token."""
    return hashlib.sha256(b"alignatt cookie " + token.encode()).hexdigest()


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


def _same(shown: str, expected: str) -> bool:
    return hmac.compare_digest(shown.encode(), expected.encode())


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc or origin
    except ValueError:
        return origin


async def _refuse(problem: Unauthorized, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        await socket.send_text(error_frame(problem))
        await socket.close(problem.close or 1008)
        return
    response: Response
    if "text/html" in HTTPConnection(scope).headers.get("accept", ""):
        page = resources.files("alignatt4llm.serve") / "page" / "token.html"
        response = HTMLResponse(page.read_text("utf-8"), problem.status)
    else:
        error = {"code": problem.code, "message": str(problem), "type": "invalid_request_error"}
        response = JSONResponse({"error": error}, problem.status)
    response.headers["www-authenticate"] = "Bearer"
    await response(scope, receive, send)
