"""What a client uploads: a recording, and what is wanted of it."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from alignatt4llm.serve.answers import STREAM, Answer, answers
from alignatt4llm.serve.errors import BadMessage, Idle, TooLarge
from alignatt4llm.serve.limits import Limits
from alignatt4llm.serve.messages import Defaults, language_of
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Language

_FIELDS = 20
_FIELD = 1 << 16
"""Bytes of a field."""
_TIMES = ("timestamp_granularities[]", "timestamp_granularities")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a recording.

    Attributes
    ----------
    source
        What is spoken.
    target
        What to translate into; None if neither client nor server say it.
    named
        Whether the client has named both.
    latency
        Name of the preset.
    answer
        What is sent back.
    stream
        Whether it is sent while it is made.
    times
        What its times are asked for: ``segment``, ``word``, both or neither.
    told
        What one should know about its languages.
    """

    source: Language
    target: Language | None
    named: bool
    latency: str
    answer: Answer
    stream: bool
    times: frozenset[str]
    told: tuple[str, ...] = ()

    @classmethod
    def of(cls, form: FormData, defaults: Defaults) -> "Wish":
        """Read the fields of a form, of which more may come.

        Raises
        ------
        BadMessage, Unsupported
            If one of them is not as it must be.
        """
        source, target = _text(form, "from") or _text(form, "language"), _text(form, "to")
        into, told = target or defaults.target, list[str]()
        param = "from" if _text(form, "from") else "language"
        kinds = answers()
        answer = _choice(form, "response_format", (*kinds,), "json")
        stream = _choice(form, "stream", ("true", "false"), "false") == "true"
        return cls(
            language_of(source or defaults.source, param, told.append),
            language_of(into, "to", told.append) if into else None,
            bool(source and target),
            _choice(form, "latency", (*LATENCIES,), "medium"),
            STREAM if stream else kinds[answer],
            stream,
            _times(form),
            tuple(told),
        )


Check = Callable[[Wish], None]


@asynccontextmanager
async def received(
    scope: Scope, receive: Receive, limits: Limits, defaults: Defaults, check: Check
) -> AsyncIterator[tuple[Wish, UploadFile]]:
    """Read an upload; the recording is on disk, or in memory while it is small.

    Parameters
    ----------
    scope, receive
        Of the request.
    limits
        How large it may be, and how slowly it may come.
    defaults
        The languages that are meant where the client names none.
    check
        Refuses a wish; called after every field, so that no recording is taken in vain.

    Raises
    ------
    BadMessage, Unsupported, Idle, TooLarge
        If it is none, does not come, or does not end.
    starlette.requests.ClientDisconnect
        If the client goes away.
    """
    request = Request(scope, Arrival(receive, limits))
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise BadMessage("Send the recording as multipart form data, in 'file'.", "file")
    async with aclosing(request.stream()) as stream:
        try:
            form = await _Parser(
                request.headers, stream, lambda form: check(Wish.of(form, defaults))
            ).parse()
        except MultiPartException as problem:
            raise BadMessage(
                f"The form cannot be read: {problem.message.rstrip('.')}."
            ) from problem
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise BadMessage(
                "'file' is missing; send the recording as multipart form data.", "file"
            )
        yield Wish.of(form, defaults), file
    finally:
        await form.close()


def check_size(headers: Headers, limits: Limits) -> None:
    """Refuse what says that it is too large before any of it is taken; raise TooLarge."""
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.upload:
        raise _too_large(limits)


class Arrival:
    """Passes a body on while it is not too large and comes fast enough.

    It may pause for ``limits.idle``, have an average of ``limits.rate`` after such a pause, and
    take as long as the longest session in all.
    """

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive, self._limits = receive, limits
        self._began = time.monotonic()
        self._size = 0

    async def __call__(self) -> Message:
        """Return the next message; raise Idle or TooLarge."""
        limits = self._limits
        longest = min(limits.session, limits.idle + self._size / limits.rate)
        left = self._began + longest - time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), min(left, limits.idle))
        except TimeoutError:
            raise self._late(left) from None
        self._size += len(message.get("body", b""))
        if self._size > limits.upload:
            raise _too_large(limits)
        return message

    def _late(self, left: float) -> Idle:
        if left >= self._limits.idle:
            return Idle(f"Nothing came for {self._limits.idle:g} s; the upload has ended.")
        return Idle(
            f"The upload is too slow and has ended; send {self._limits.rate:g} bytes a second or "
            f"more, and all of it within {self._limits.session:g} s."
        )


class _Parser(MultiPartParser):
    """Looks at every field as soon as it is there, and at the end whether the form is complete."""

    def __init__(
        self, headers: Headers, body: AsyncGenerator[bytes, None], look: Callable[[FormData], None]
    ) -> None:
        stream = self._whole(body)
        super().__init__(headers, stream, max_files=1, max_fields=_FIELDS, max_part_size=_FIELD)
        self._look = look
        self._complete = False

    async def _whole(self, body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for block in body:
            yield block
        if not self._complete:
            raise MultiPartException("it breaks off before its end; send all of it")

    def on_headers_finished(self) -> None:
        """Take what is called ``file`` for one also where it has no name of its own."""
        part = self._current_part
        _, options = parse_options_header(part.content_disposition)
        if options.get(b"name") == b"file" and b"filename" not in options:
            part.content_disposition = (part.content_disposition or b"") + b'; filename=""'
        super().on_headers_finished()

    def on_part_end(self) -> None:
        """Take a part."""
        super().on_part_end()
        self._look(FormData(self.items))

    def on_end(self) -> None:
        """Note that the form is complete."""
        self._complete = True


def _too_large(limits: Limits) -> TooLarge:
    return TooLarge(f"Uploads may have {limits.upload} bytes; send a shorter recording.", "file")


def _times(form: FormData) -> frozenset[str]:
    asked = frozenset(str(value) for key in _TIMES for value in form.getlist(key) if value)
    if asked - {"segment", "word"}:
        raise BadMessage("'timestamp_granularities' must be one of: segment, word.", _TIMES[0])
    return asked


def _choice(form: FormData, key: str, allowed: tuple[str, ...], default: str) -> str:
    value = _text(form, key).lower() or default
    if value not in allowed:
        raise BadMessage(f"'{key}' must be one of: {', '.join(allowed)}.", key)
    return value


def _text(form: FormData, key: str) -> str:
    value = form.get(key) or ""
    if not isinstance(value, str):
        raise BadMessage(f"'{key}' must be text, not a file.", key)
    return value.strip()
