"""Reading along: a page for everybody who has the link, and the events that it shows.

Who has the link of a session may read it and do nothing else; no token is asked for here.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from alignatt4llm.serve.access import LINKED
from alignatt4llm.serve.broadcast import Broadcast
from alignatt4llm.serve.errors import Busy, Unkept, UnknownFile, UnknownSession
from alignatt4llm.serve.failures import Failures
from alignatt4llm.serve.feed import Feed, Place
from alignatt4llm.serve.frames import frame
from alignatt4llm.serve.pages import FOLDER, HEADERS, page
from alignatt4llm.serve.registry import Registry
from alignatt4llm.serve.transcripts import Transcripts, target_of
from alignatt4llm.text.languages import Language

_ASSETS = (
    "watch.js",
    "watch.css",
    "feed.js",
    "reader.js",
    "lines.js",
    "theme.js",
    "hall.js",
    "hall.css",
    "icon.svg",
)
"""Files that the pages ask for."""
_FILES = ("srt", "vtt", "txt")
"""Outputs that listeners may have."""
_SHARE = 3
"""Places that one session may take for each that is left free for others."""
_RECENT = 20
"""Numbered events that those are shown who only want the newest."""
_BACK = (3000, 8000)
"""Milliseconds after which a listener whose feed ended asks again; not all at the same moment."""
_ALIVE = 15.0
"""Seconds after which a listener is shown that the feed is alive."""
_LOOK = 1.0
"""Seconds after which a feed of a session that does not run looks whether it was resumed."""


class Watch:
    """Serves everything below ``/watch/``.

    Parameters
    ----------
    registry
        Has the sessions.
    failures
        Takes refusals.
    """

    def __init__(self, registry: Registry, failures: Failures) -> None:
        self._registry = registry
        self._failures = failures
        self._files = Transcripts(registry, _FILES)
        self._feeds: dict[Broadcast, Feed] = {}
        self._listeners = 0

    def routes(self) -> list[BaseRoute]:
        """Return what answers where."""
        return [
            Route(f"{LINKED}page/{{name}}", self.asset),
            Route(f"{LINKED}{{session}}", self.page),
            Route(f"{LINKED}{{session}}/captions", self.page),
            Route(f"{LINKED}{{session}}/events", self.events),
            Route(f"{LINKED}{{session}}/translation.{{kind}}", self._files.answer),
        ]

    async def asset(self, request: Request) -> Response:
        """Serve a file that the pages ask for."""
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise UnknownFile("There is no such page.")
        return page(name)

    async def page(self, request: Request) -> Response:
        """Serve a page, also to those whose link leads nowhere."""
        try:
            await self._registry.check(request.path_params["session"])
        except UnknownSession as problem:
            answer = self._failures.told(request, problem)
            if "text/html" not in request.headers.get("accept", ""):
                return answer
            lost = (FOLDER / "lost.html").read_text("utf-8")
            number = answer.headers["x-request-id"]
            return HTMLResponse(lost, answer.status_code, {**HEADERS, "x-request-id": number})
        captions = request.url.path.endswith("/captions")
        return page("captions.html" if captions else "watch.html")

    async def events(self, request: Request) -> Response:
        """Serve the events of one target, from where a listener stands."""
        broadcast = await self._registry.broadcast(request.path_params["session"])
        target = target_of(broadcast.journal, request.query_params.get("to", ""))
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        with ExitStack() as held:
            feed = held.enter_context(self._listening(broadcast, target))
            if request.method == "HEAD":
                return Response(media_type="text/event-stream", headers=headers)
            place = Place(feed, target, _position(request, broadcast.journal.last))
            return _Held(held.pop_all(), self._stream(feed, place), headers)

    async def _stream(self, feed: Feed, place: Place) -> AsyncIterator[bytes]:
        with suppress(Unkept):  # the listener asks again
            async for data in self._news(feed, place):
                yield data

    async def _news(self, feed: Feed, place: Place) -> AsyncIterator[bytes]:
        clock, broadcast = asyncio.get_running_loop().time, feed.broadcast
        yield f"retry: {random.randint(*_BACK)}\n\n".encode()
        while True:
            fresh, running, told = feed.fresh, self._registry.is_running(broadcast), clock()
            async for data in place.news():
                yield data
            if broadcast.journal.ended and not running:
                yield frame("over", {})
                return
            while not fresh.is_set() and clock() - told < _ALIVE:
                if self._registry.closing or not self._registry.is_current(broadcast):
                    return
                await _wait(fresh, _ALIVE if running else _LOOK)
            if not fresh.is_set():
                yield frame("alive", {})

    @contextmanager
    def _listening(self, broadcast: Broadcast, target: Language) -> Iterator[Feed]:
        """Admit and count a listener; all of one broadcast share a feed.

        Raises
        ------
        Busy
            If no place is left, or not enough for those who listen to other sessions.
        """
        feed = self._feeds.get(broadcast) or Feed(broadcast)
        if feed.readers >= _SHARE * (self._registry.limits.listeners - self._listeners):
            raise Busy("Too many listeners at once; try again later.")
        self._listeners += 1
        self._feeds[broadcast] = feed
        try:
            with broadcast.audience.one_more(target.code), feed.shared():
                yield feed
        finally:
            self._listeners -= 1
            if not feed.readers:
                self._feeds.pop(broadcast, None)


class _Held(StreamingResponse):
    """Streams events, and parts with the place of a listener whenever that ends."""

    def __init__(
        self, held: ExitStack, events: AsyncIterator[bytes], headers: Mapping[str, str]
    ) -> None:
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        with self._held:
            await super().__call__(scope, receive, send)


async def _wait(fresh: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(fresh.wait(), seconds)


def _position(request: Request, last: int) -> int:
    """Return the number after which a listener wants events."""
    seen = request.headers.get("last-event-id") or request.query_params.get("after", "")
    if seen.isdecimal() and len(seen) < 18:
        return int(seen)
    return max(0, last - _RECENT) if request.query_params.get("recent") else 0
