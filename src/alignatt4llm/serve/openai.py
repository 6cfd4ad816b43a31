"""A file in, its translation out: the shape of OpenAI's ``/v1/audio/translations``.

OpenAI's endpoint only translates into English. Here ``to`` names the language; streams are sent
as OpenAI streams transcriptions.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Flag
from threading import Thread
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from alignatt4llm.audio.decode import AudioSource, chunks
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Close, Commit, End, Event
from alignatt4llm.serve.errors import BadAudio, BadMessage, EngineFailed, EngineStuck, TooLarge
from alignatt4llm.serve.messages import pair_of
from alignatt4llm.serve.registry import Registry
from alignatt4llm.serve.transcripts import subtitles
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair

FORMATS = ("json", "text", "srt", "vtt", "verbose_json")


class Translations:
    """Serves ``POST /v1/audio/translations``."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def answer(self, request: Request) -> Response:
        """Translate an uploaded file."""
        self._check_size(request)
        with ExitStack() as stack:
            async with request.form(max_files=1, max_fields=20) as form:
                pair, latency, kind, stream = _asked(form)
                self._registry.supported(pair)
                stack.enter_context(self._registry.place())
                folder = Path(stack.enter_context(TemporaryDirectory()))
                path = await run_in_threadpool(_kept, form, folder)
            events = self._events(path, pair, latency)
            if stream:
                kept = stack.pop_all()
                return StreamingResponse(_streamed(events, kept), media_type="text/event-stream")
            async with aclosing(events):
                return _answer([event async for event in events], kind, pair)

    async def _events(self, path: Path, pair: Pair, latency: str) -> AsyncGenerator[Event, None]:
        """Run a session in a thread of its own."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()
        stopped = Flag()

        def tell(item: Event | BaseException | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(queue.put_nowait, item)

        def work() -> None:
            try:
                for event in self._translate(path, pair, latency):
                    if stopped.is_set():
                        return
                    tell(event)
                tell(None)
            except BaseException as problem:
                tell(problem)

        Thread(target=work, name="upload", daemon=True).start()
        try:
            while True:
                item = await asyncio.wait_for(queue.get(), self._registry.limits.step)
                if item is None:
                    return
                if isinstance(item, UsageError):
                    raise BadAudio("The file cannot be read as audio or video.") from item
                if isinstance(item, BaseException):
                    raise EngineFailed("The translation failed; see the server's log.") from item
                yield item
        except TimeoutError:
            self._registry.give_up()
            raise EngineStuck("The translation did not go on; try again.") from None
        finally:
            stopped.set()

    def _translate(self, path: Path, pair: Pair, latency: str) -> Iterator[Event]:
        source = AudioSource(str(path))
        session = self._registry.interpreter.open(pair, latency)
        most = self._registry.limits.session
        try:
            for chunk in chunks(source, round(LATENCIES[latency].chunk * SAMPLE_RATE)):
                yield from session.feed(chunk)
                if session.transcript.clock > most:
                    raise TooLarge(f"Recordings may last {most:g} s.")
            yield from session.finish()
        finally:
            session.close()

    def _check_size(self, request: Request) -> None:
        length = request.headers.get("content-length", "")
        most = self._registry.limits.upload
        if not length.isdecimal() or int(length) > most:
            raise TooLarge(f"Uploads need a content-length of at most {most} bytes.")


def _asked(form: FormData) -> tuple[Pair, str, str, bool]:
    source = _text(form, "from") or _text(form, "language") or "en"
    latency = _text(form, "latency") or "medium"
    if latency not in LATENCIES:
        raise BadMessage(f"'latency' must be one of: {', '.join(LATENCIES)}.")
    kind = _text(form, "response_format") or "json"
    if kind not in FORMATS:
        raise BadMessage(f"'response_format' must be one of: {', '.join(FORMATS)}.")
    stream = (_text(form, "stream") or "false").lower()
    if stream not in ("true", "false"):
        raise BadMessage("'stream' must be true or false.")
    return pair_of(source, _text(form, "to") or "en"), latency, kind, stream == "true"


def _text(form: FormData, key: str) -> str:
    value = form.get(key) or ""
    if not isinstance(value, str):
        raise BadMessage(f"'{key}' must be text, not a file.")
    return value


def _kept(form: FormData, folder: Path) -> Path:
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise BadMessage("'file' is missing; send the recording as multipart form data.")
    path = folder / "recording"
    with path.open("wb") as file:
        shutil.copyfileobj(upload.file, file)
    return path


async def _streamed(events: AsyncGenerator[Event, None], kept: ExitStack) -> AsyncIterator[str]:
    text = ""
    with kept:
        try:
            async for event in events:
                if isinstance(event, Commit):
                    text += event.text
                    yield _sse({"type": "transcript.text.delta", "delta": event.text})
            yield _sse({"type": "transcript.text.done", "text": text.strip()})
        except (BadAudio, EngineFailed, EngineStuck, TooLarge) as problem:
            yield _sse({"type": "error", "error": openai_error(problem.code, str(problem))})
        finally:
            await events.aclose()


def _answer(events: list[Event], kind: str, pair: Pair) -> Response:
    text = "".join(event.text for event in events if isinstance(event, Commit)).strip()
    if kind == "text":
        return PlainTextResponse(text + "\n")
    if kind in ("srt", "vtt"):
        return PlainTextResponse(subtitles(events, vtt=kind == "vtt"))
    if kind == "json":
        return JSONResponse({"text": text})
    closed = [event for event in events if isinstance(event, Close)]
    return JSONResponse(
        {
            "task": "translate",
            "language": pair.target.code,
            "duration": next(event.audio_s for event in events if isinstance(event, End)),
            "text": text,
            "segments": [
                {"id": number, "start": event.start, "end": event.end, "text": event.target}
                for number, event in enumerate(closed)
            ],
        }
    )


def openai_error(code: str, message: str) -> dict[str, Any]:
    """Return an error in OpenAI's shape."""
    return {"message": message, "type": "invalid_request_error", "param": None, "code": code}


def _sse(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
