"""A file in, its translation out: the shape of OpenAI's ``/v1/audio/translations``.

OpenAI's endpoint only translates into English. Here ``to`` names the language; streams are sent
as OpenAI streams transcriptions.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import ExitStack, aclosing, closing

from starlette.datastructures import Headers, UploadFile
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from alignatt4llm.audio.decode import AudioSource
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.events import Close, Commit, End, Notice
from alignatt4llm.outputs.base import Format
from alignatt4llm.schedule.feeder import Feeder, run
from alignatt4llm.schedule.timelines import Pulled
from alignatt4llm.schedule.watch import Watch
from alignatt4llm.serve.answers import openai_error, sse
from alignatt4llm.serve.errors import BadAudio, EngineFailed, ServeError, TooLarge
from alignatt4llm.serve.registry import Registry
from alignatt4llm.serve.tasks import first
from alignatt4llm.serve.upload import Wish, received
from alignatt4llm.serve.worker import in_thread
from alignatt4llm.session import Session
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.printable import one_line

log = logging.getLogger(__name__)


class Translations:
    """Serves ``POST /v1/audio/translations``; a place is held from before the body comes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Translate an uploaded file, as an ASGI application."""
        limits = self._registry.limits
        try:
            self._check_size(Headers(scope=scope))
            with ExitStack() as place:
                place.enter_context(self._registry.place())
                async with received(scope, receive, limits.idle, self._check) as (wish, file):
                    self._registry.supported(wish.pair)
                    pieces = self._pieces(wish, file)
                    async with aclosing(_until_over(pieces, place.close)) as pieces:
                        await self._answer(wish, pieces, scope, receive, send)
        except ClientDisconnect:
            log.info("the client of an upload went away")
        except ServeError as problem:
            self._note(problem)
            raise

    def _pieces(self, wish: Wish, file: UploadFile) -> AsyncGenerator[str, None]:
        steps = self._translate(wish, file, wish.answer.format(wish.pair.target))
        return in_thread(steps, self._registry.limits.step)

    async def _answer(
        self, wish: Wish, pieces: AsyncIterator[str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        kind = wish.answer.media_type
        response: Response
        if wish.stream:
            response = StreamingResponse(self._streamed(pieces), media_type=kind)
        else:
            response = Response(await _whole(pieces, receive), media_type=kind)
        await response(scope, receive, send)

    async def _streamed(self, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            async for piece in pieces:
                if piece:
                    yield piece
        except ServeError as problem:
            self._note(problem)
            yield sse({"type": "error", "error": openai_error(problem.code, str(problem))})

    def _translate(self, wish: Wish, file: UploadFile, form: Format) -> Generator[str, None, None]:
        """Yield what each step adds to the answer, often nothing."""
        source, most = _opened(file), self._registry.limits.session
        if source.duration and source.duration > most:
            raise TooLarge(f"Recordings may last {most:g} s; this lasts {source.duration:.0f} s.")
        chunk = LATENCIES[wish.latency].chunk
        timeline = Pulled(source, doing=self._registry.steps.step)
        yield form.begin()
        with closing(self._open(wish)) as session:
            watch = Watch(wish.pair.source, lambda: source.notices)
            for event in run(Feeder(session, chunk, longest=chunk, watch=watch), timeline):
                yield form.add(event) if isinstance(event, Commit | Close | Notice | End) else ""
                if session.transcript.clock > most:
                    raise TooLarge(f"Recordings may last {most:g} s; this lasts longer.")
        yield form.end()

    def _open(self, wish: Wish) -> Session:
        with self._registry.steps.step():
            return self._registry.interpreter.open(wish.pair, wish.latency)

    def _check(self, wish: Wish) -> None:
        """Refuse what can be refused before everything has come."""
        if wish.named:
            self._registry.supported(wish.pair)

    def _check_size(self, headers: Headers) -> None:
        length = headers.get("content-length", "")
        most = self._registry.limits.upload
        if not length.isdecimal() or int(length) > most:
            raise TooLarge(f"Uploads need a content-length of at most {most} bytes.")

    def _note(self, problem: ServeError) -> None:
        """Count and log a problem; with all its causes where they are the server's."""
        self._registry.metrics.drops.labels(problem.code).inc()
        cause = problem if isinstance(problem, EngineFailed) else None
        log.warning("an upload: %s: %s", problem.code, one_line(str(problem)), exc_info=cause)


def _opened(file: UploadFile) -> AudioSource:
    try:
        return AudioSource(one_line(file.filename or "")[:80] or "recording", file.file)
    except UsageError as problem:
        raise BadAudio(str(problem)) from problem


async def _until_over(
    pieces: AsyncGenerator[str, None], leave: Callable[[], None]
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
            raise EngineFailed(f"The translation failed. {said}") from problem
        finally:
            leave()


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
