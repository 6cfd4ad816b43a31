"""The doors of OpenAI's audio API: a file in, its translation or transcript out; the models.

OpenAI's endpoint only translates into English. Here ``to`` names the language; streams are sent
as OpenAI streams transcriptions.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from alignatt4llm.errors import AlignattError
from alignatt4llm.serve.answers import sse
from alignatt4llm.serve.errors import EngineFailed, ServeError, UnknownFile
from alignatt4llm.serve.failures import Failures, openai_error
from alignatt4llm.serve.jobs import Job, Transcription, Translation
from alignatt4llm.serve.recording import Recording
from alignatt4llm.serve.registry import Registry
from alignatt4llm.serve.tasks import first
from alignatt4llm.serve.upload import check_size, received
from alignatt4llm.serve.worker import in_thread

log = logging.getLogger(__name__)


def openai_routes(registry: Registry, failures: Failures) -> list[Route]:
    """Return what OpenAI's clients ask for; a slash at the end of a path changes nothing."""
    models = Models(registry)
    doors: list[tuple[str, Callable[..., object], str]] = [
        ("audio/translations", Uploads(registry, failures, Translation(registry)), "POST"),
        ("audio/transcriptions", Uploads(registry, failures, Transcription(registry)), "POST"),
        ("models", models.all, "GET"),
        ("models/{model:path}", models.one, "GET"),
    ]
    return [
        Route(f"/v1/{path}{end}", door, methods=[method])
        for path, door, method in doors
        for end in ("/", "")
    ]


class Models:
    """Serves ``/v1/models`` and ``/v1/models/<model>``: the one model that is in memory."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._since = int(time.time())

    async def all(self, request: Request) -> Response:
        """Answer with the list of models."""
        return JSONResponse({"object": "list", "data": [self._model()]})

    async def one(self, request: Request) -> Response:
        """Answer with one model."""
        model, asked = self._model(), request.path_params["model"]
        if asked != model["id"]:
            raise UnknownFile(
                f"There is no model '{asked[:80]}' here, but '{model['id']}'.", "model"
            )
        return JSONResponse(model)

    def _model(self) -> dict[str, object]:
        name = self._registry.interpreter.name
        return {"id": name, "object": "model", "created": self._since, "owned_by": "alignatt4llm"}


class Uploads:
    """Serves one kind of work on recordings; a place is held from before the body comes."""

    def __init__(self, registry: Registry, failures: Failures, job: Job) -> None:
        self._registry = registry
        self._failures = failures
        self._job = job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an upload, as an ASGI application."""
        registry, limits, job = self._registry, self._registry.limits, self._job
        try:
            check_size(Headers(scope=scope), limits)
            async with AsyncExitStack() as place:
                await place.enter_async_context(registry.place())
                upload = received(scope, receive, limits, registry.defaults, job.check)
                async with upload as (wish, file):
                    recording = Recording(registry, job, wish, file)
                    pieces = in_thread(recording.pieces(), limits.step)
                    async with aclosing(_until_over(pieces, place.aclose)) as pieces:
                        await self._answer(recording, pieces, scope, receive, send)
        except ClientDisconnect:
            log.info("the client of an upload went away")

    async def _answer(
        self,
        recording: Recording,
        pieces: AsyncIterator[str],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        kind = recording.media_type
        response: Response
        if recording.streams:
            response = StreamingResponse(self._streamed(pieces, Request(scope)), media_type=kind)
        else:
            text = await _whole(pieces, receive)
            response = Response(text, media_type=kind, headers=_warned(recording.warnings))
        await response(scope, receive, _in_time(send, self._registry.limits.send))

    async def _streamed(self, pieces: AsyncIterator[str], asked: Request) -> AsyncIterator[str]:
        try:
            async for piece in pieces:
                if piece:
                    yield piece
        except ServeError as problem:
            self._failures.note(asked, problem)
            yield sse({"type": "error", "error": openai_error(problem)})


def _warned(warnings: list[str]) -> dict[str, str]:
    """Return the header that says them beside answers that have no room for them."""
    return {"x-warnings": json.dumps(warnings)} if warnings else {}


def _in_time(send: Send, seconds: float) -> Send:
    """Take a client that does not accept its answer for one that is gone."""

    async def send_in_time(message: Message) -> None:
        try:
            await asyncio.wait_for(send(message), seconds)
        except TimeoutError:
            raise ClientDisconnect from None

    return send_in_time


async def _until_over(
    pieces: AsyncGenerator[str, None], leave: Callable[[], Awaitable[None]]
) -> AsyncGenerator[str, None]:
    """Yield pieces, then leave; whatever goes wrong is an error that a client is told."""
    async with aclosing(pieces):
        try:
            async for piece in pieces:
                yield piece
        except ServeError:
            raise
        except Exception as problem:
            said = str(problem) if isinstance(problem, AlignattError) else "See the server's log."
            raise EngineFailed(f"The recording could not be done. {said}") from problem
        finally:
            await leave()


async def _whole(pieces: AsyncIterator[str], receive: Receive) -> str:
    """Join pieces while the client waits for them."""
    text: list[str] = []

    async def join() -> None:
        async for piece in pieces:
            text.append(piece)

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        raise ClientDisconnect

    await first(join(), gone())
    return "".join(text)
