"""What a client uploads: a recording, and how it is to be translated."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from alignatt4llm.serve.answers import STREAM, Answer, answers
from alignatt4llm.serve.errors import BadMessage, Idle
from alignatt4llm.serve.messages import pair_of
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair

_FIELDS = 20
_FIELD = 1 << 16
"""Bytes of a field."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a recording is to be translated.

    Attributes
    ----------
    pair
        From what language into which.
    named
        Whether the client has named both.
    latency
        Name of the preset.
    answer
        What is sent back.
    stream
        Whether it is sent while it is translated.
    """

    pair: Pair
    named: bool
    latency: str
    answer: Answer
    stream: bool

    @classmethod
    def of(cls, form: FormData) -> "Wish":
        """Read the fields of a form, of which more may come.

        Raises
        ------
        BadMessage, Unsupported
            If one of them is not as it must be.
        """
        source, target = _text(form, "from") or _text(form, "language"), _text(form, "to")
        kinds = answers()
        answer = _choice(form, "response_format", (*kinds,), "json")
        stream = _choice(form, "stream", ("true", "false"), "false") == "true"
        return cls(
            pair_of(source or "en", target or "en"),
            bool(source and target),
            _choice(form, "latency", (*LATENCIES,), "medium"),
            STREAM if stream else kinds[answer],
            stream,
        )


@asynccontextmanager
async def received(
    scope: Scope, receive: Receive, idle: float, check: Callable[[Wish], None]
) -> AsyncIterator[tuple[Wish, UploadFile]]:
    """Read an upload; the recording is on disk, or in memory while it is small.

    Parameters
    ----------
    scope, receive
        Of the request.
    idle
        Seconds that the client may send nothing.
    check
        Refuses a wish; called after every field, so that no recording is taken in vain.

    Raises
    ------
    BadMessage, Unsupported, Idle
        If it is none, or does not come.
    starlette.requests.ClientDisconnect
        If the client goes away.
    """
    request = Request(scope, _in_time(receive, idle))
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise BadMessage("Send the recording as multipart form data, in 'file'.")
    async with aclosing(request.stream()) as stream:
        try:
            form = await _Parser(request.headers, stream, check).parse()
        except MultiPartException as problem:
            raise BadMessage(f"The form cannot be read: {problem.message}") from problem
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise BadMessage("'file' is missing; send the recording as multipart form data.")
        yield Wish.of(form), file
    finally:
        await form.close()


class _Parser(MultiPartParser):
    """Looks at every field as soon as it is there."""

    def __init__(
        self, headers: Headers, stream: AsyncGenerator[bytes, None], check: Callable[[Wish], None]
    ) -> None:
        super().__init__(headers, stream, max_files=1, max_fields=_FIELDS, max_part_size=_FIELD)
        self._check = check

    def on_part_end(self) -> None:
        """Take a part."""
        super().on_part_end()
        self._check(Wish.of(FormData(self.items)))


def _in_time(receive: Receive, seconds: float) -> Receive:
    async def receive_in_time() -> Message:
        try:
            return await asyncio.wait_for(receive(), seconds)
        except TimeoutError:
            raise Idle(f"Nothing came for {seconds:g} s; the upload has ended.") from None

    return receive_in_time


def _choice(form: FormData, key: str, allowed: tuple[str, ...], default: str) -> str:
    value = _text(form, key).lower() or default
    if value not in allowed:
        raise BadMessage(f"'{key}' must be one of: {', '.join(allowed)}.")
    return value


def _text(form: FormData, key: str) -> str:
    value = form.get(key) or ""
    if not isinstance(value, str):
        raise BadMessage(f"'{key}' must be text, not a file.")
    return value
