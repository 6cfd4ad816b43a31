"""Captions to look at: an event stream, and a page for halls and video mixers that shows it."""

import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from alignatt4llm.events import Source
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.errors import Busy, Unkept
from alignatt4llm.serve.pages import page
from alignatt4llm.serve.registry import Registry
from alignatt4llm.serve.transcripts import asked

_RECENT = 20
"""Numbered events that a new viewer is shown from before."""
_BACK = 5000
"""Milliseconds after which a viewer whose feed ended asks again: its session may be resumed."""
_ALIVE = 15.0
"""Seconds after which a comment shows proxies and viewers that the feed is alive."""


class Captions:
    """Serves ``/captions/<session>``: events to those who accept them, a page to browsers."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._viewers = 0

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        session = request.path_params["session"]
        broadcast = await self._registry.broadcast(session)
        if "text/event-stream" not in request.headers.get("accept", ""):
            return page("captions.html")
        if self._viewers >= self._registry.limits.viewers:
            raise Busy("Too many viewers at once; try again later.")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        if request.method == "HEAD":
            return Response(media_type="text/event-stream", headers=headers)
        seq = _seen(request, broadcast.journal.last)
        if seq == broadcast.journal.last and broadcast.journal.ended:
            return Response(status_code=204)  # tells EventSource not to come back
        return StreamingResponse(
            self._stream(broadcast, seq, asked(request, broadcast.journal)),
            media_type="text/event-stream",
            headers=headers,
        )

    async def _stream(self, broadcast: Broadcast, seq: int, to: str) -> AsyncIterator[str]:
        self._viewers += 1
        try:
            with broadcast.listener(seq, trace=False) as listener:
                yield f"retry: {_BACK}\n\n"
                while True:
                    running = self._registry.is_running(broadcast)
                    sent = False
                    async for line in listener.fresh():
                        if frame := _frame(line, to):
                            sent = True
                            yield frame
                    if not (running or self._goes_on(broadcast)):
                        return
                    if self._registry.closing:
                        return
                    if not sent:
                        yield ": alive\n\n"
                    await listener.wait(_ALIVE)
        except Unkept:
            return  # the viewer asks again
        finally:
            self._viewers -= 1

    def _goes_on(self, broadcast: Broadcast) -> bool:
        """Whether another server may be adding to what does not run here, or will."""
        return self._registry.is_current(broadcast) and not broadcast.journal.ended


def _seen(request: Request, last: int) -> int:
    """Return the number after which a viewer wants events."""
    seen = request.headers.get("last-event-id", "")
    return min(int(seen), last) if seen.isdecimal() and len(seen) < 18 else max(0, last - _RECENT)


def _frame(line: str, to: str) -> str:
    """Write an event for a viewer of a language; nothing if it is of another."""
    event = json.loads(line)
    if event["type"] != Source.type and event.get("to", to) != to:
        return ""
    number = f"id: {event['seq']}\n" if "seq" in event else ""
    return f"{number}event: {event['type']}\ndata: {line}\n\n"
