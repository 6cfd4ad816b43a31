"""Everything the server answers, under one roof."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from alignatt4llm.interpreter import Interpreter
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.recognizers.loading import known_languages
from alignatt4llm.serve.access import Access
from alignatt4llm.serve.captioning import Captioning
from alignatt4llm.serve.captions import Captions
from alignatt4llm.serve.connection import Connection
from alignatt4llm.serve.errors import ServeError
from alignatt4llm.serve.failures import Failures
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.messages import Defaults
from alignatt4llm.serve.metrics import Metrics
from alignatt4llm.serve.openai import openai_routes
from alignatt4llm.serve.origins import Origins
from alignatt4llm.serve.pages import asset, favicon, front, qr
from alignatt4llm.serve.places import Alone, Sharing
from alignatt4llm.serve.registry import Registry
from alignatt4llm.serve.text import TextDoor
from alignatt4llm.serve.transcripts import Transcripts
from alignatt4llm.serve.watch import Watch
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair


def create_app(
    interpreter: Interpreter,
    transcripts: Path | str,
    limits: Limits = Limits(),
    token: str | None = None,
    origins: Origins = Origins(),
    defaults: Defaults = Defaults(),
    captioning: Captioning | None = None,
    sharing: Sharing = Alone(),
) -> Starlette:
    """Build the server's application; ``app.state.registry`` holds its sessions.

    Parameters
    ----------
    interpreter
        Opens sessions.
    transcripts
        Where transcripts are kept: a folder, or the address of a Redis database.
    limits
        What clients are allowed.
    token
        What clients must show, or None.
    origins
        Other sites whose pages may use the server.
    defaults
        The languages that are meant where a client names none.
    captioning
        Where captions go.
    sharing
        The servers that share its places.
    """
    metrics = Metrics()
    failures = Failures(metrics)
    registry = Registry(interpreter, limits, transcripts, metrics, defaults, captioning, sharing)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(registry.watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    app = Starlette(
        routes=_routes(registry, failures),
        middleware=[Middleware(Access, failures=failures, token=token, origins=origins)],
        exception_handlers={
            ServeError: failures.told,
            HTTPException: failures.missing,
            Exception: failures.unexpected,
        },
        lifespan=lifespan,
    )
    app.state.registry = registry
    return app


def _routes(registry: Registry, failures: Failures) -> list[BaseRoute]:
    """Return every path and what answers there."""

    async def live(socket: WebSocket) -> None:
        await Connection(socket, registry).run()

    async def text(socket: WebSocket) -> None:
        await TextDoor(socket, registry).run()

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        if registry.closing:
            return PlainTextResponse("stuck\n" if registry.stuck.is_set() else "draining\n", 503)
        return PlainTextResponse("ready\n")

    async def measured(request: Request) -> Response:
        return Response(
            registry.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    async def about(request: Request) -> Response:
        return JSONResponse(_about(registry))

    return [
        Route("/", front),
        Route("/page/{name}", asset),
        Route("/favicon.ico", favicon),
        Route("/about", about),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", measured),
        Route("/captions/{session}", Captions(registry).answer),
        Route("/transcripts/{session}.{kind}", Transcripts(registry).answer),
        Route("/qr.svg", qr),
        *Watch(registry, failures).routes(),
        *openai_routes(registry, failures),
        WebSocketRoute("/live", live),
        WebSocketRoute("/text", text),
        WebSocketRoute("/", text),
    ]


def _about(registry: Registry) -> dict[str, object]:
    known = known_languages(registry.interpreter.system.recognizer).split()
    pairs = [
        pair
        for pair in map(Pair.parse, registry.interpreter.pairs)
        if not known or pair.source.code in known
    ]
    return {
        "model": registry.interpreter.name,
        "pairs": [
            {
                "from": pair.source.code,
                "to": pair.target.code,
                "name": pair.target.name,
                "separator": pair.source.separator,
            }
            for pair in pairs
        ],
        "latencies": {name: {"chunk_s": latency.chunk} for name, latency in LATENCIES.items()},
        "transcripts": list(OUTPUTS),
        "places": registry.limits.sessions,
        "free": registry.places.free,
    }
