"""The text door: one WebSocket that speaks version 1 of the text protocol."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from threading import Condition, Thread
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from alignatt4llm.serve.errors import (
    BadMessage,
    BadState,
    Idle,
    ServeError,
    TooLarge,
    TooManyErrors,
    Unsupported,
)
from alignatt4llm.serve.failures import Failures
from alignatt4llm.serve.handshake import accept
from alignatt4llm.serve.registry import Registry
from alignatt4llm.serve.tasks import first
from alignatt4llm.serve.text_protocol import Init, Update, read, seq_of
from alignatt4llm.serve.text_session import TextSession

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]

_WAITING = 64
"""Updates that may wait; partial ones of an utterance replace each other."""

log = logging.getLogger(__name__)


class TextDoor:
    """One client of the text door.

    Parameters
    ----------
    socket
        Not accepted yet.
    registry
        Gives places.
    """

    def __init__(self, socket: WebSocket, registry: Registry) -> None:
        self._socket = socket
        self._registry = registry
        self._limits = registry.limits
        self._failures = Failures(registry.metrics)
        self._sending = asyncio.Lock()
        self._errors = 0

    async def run(self) -> None:
        """Serve the client until it leaves."""
        await accept(self._socket)
        try:
            init = await asyncio.wait_for(self._greeting(), self._limits.hello)
            self._registry.directions.require(init.pair)
            async with self._registry.place():
                await self._serve(init)
        except TimeoutError:
            await self._part(Idle("Nothing came for too long; connect again."))
        except ServeError as problem:
            await self._part(problem)
        except WebSocketDisconnect:
            pass

    async def _greeting(self) -> Init:
        message = read(await self._text())
        if not isinstance(message, Init):
            raise BadState("The first message must be 'init'.")
        return message

    async def _serve(self, init: Init) -> None:
        worker = Worker(init, self._registry, self._send)
        worker.start()
        try:
            await first(self._watch(worker), self._listen(worker))
        finally:
            worker.stop()

    async def _watch(self, worker: "Worker") -> None:
        """End when the worker does, or the server."""
        while not worker.over:
            if self._registry.closing:
                self._registry.admit()
            await asyncio.sleep(0.5)
        if worker.problem:
            raise worker.problem

    async def _listen(self, worker: "Worker") -> None:
        while True:
            text = await asyncio.wait_for(self._text(), self._limits.quiet)
            try:
                update = read(text)
                if not isinstance(update, Update):
                    raise BadState("'init' is only the first message; send 'update'.")
                worker.put(update)
                self._errors = 0
            except ServeError as problem:
                await self._complain(problem, seq_of(text))

    async def _text(self) -> str:
        while True:
            event = await self._socket.receive()
            if event["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(event.get("code", 1006))
            text = event.get("text")
            if text is not None and len(text) <= self._limits.message:
                return str(text)
            limit = f"at most {self._limits.message} bytes"
            await self._complain(TooLarge(f"Messages here are JSON text of {limit}."), None)

    async def _complain(self, problem: ServeError, seq: int | None) -> None:
        self._errors += 1
        self._failures.log(self._socket, problem)
        await self._send(_error(problem, seq))
        if self._errors >= self._limits.errors:
            raise TooManyErrors(f"{self._errors} bad messages in a row; read docs/protocol.md.")

    async def _send(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(self._limits.send), self._sending:
            await self._socket.send_text(json.dumps(message, ensure_ascii=False))

    async def _part(self, problem: ServeError) -> None:
        self._failures.note(self._socket, problem)
        frame = _error(problem, None)
        if isinstance(problem, Unsupported):
            frame["supported"] = list(self._registry.interpreter.pairs)
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            await self._send(frame)
            await self._socket.close(problem.close or 1008)


class Worker:
    """The thread that translates for one client, newest partial update first to be seen.

    Parameters
    ----------
    init
        The client's first message.
    registry
        Has the interpreter, and counts.
    send
        Sends an answer; awaited in the event loop before the next update is taken.
    """

    def __init__(self, init: Init, registry: Registry, send: Send) -> None:
        self._init = init
        self._registry = registry
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._updates: deque[Update] = deque()
        self._changed = Condition()
        self._stopped = False
        self.over = False
        self.problem: ServeError | None = None
        self._thread = Thread(target=self._run, name="text", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, update: Update) -> None:
        """Take an update; a partial one replaces a partial one that still waits."""
        with self._changed:
            waiting = self._updates[-1] if self._updates else None
            if waiting and not waiting.final and waiting.utterance == update.utterance:
                self._updates.pop()
            if len(self._updates) >= _WAITING:
                raise _Overrun("Too many utterances wait; send them as they are answered.")
            self._updates.append(update)
            self._changed.notify()

    def stop(self) -> None:
        """Translate nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        session = None
        try:
            session = TextSession(self._registry.interpreter, self._init, self._working)
            self._tell(session.greeting())
            while (update := self._next()) is not None:
                self._tell(self._answer(session, update))
        except ServeError as problem:
            self.problem = problem
        except (WebSocketDisconnect, TimeoutError, _Left):
            pass  # the client is gone
        except Exception:
            log.exception("a text session failed")
            self.problem = _Failed("The session failed; connect again.")
        finally:
            self.over = True
            if session:
                session.close()

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Mark a bit of work inside an engine; none is begun for a client that is gone."""
        if self._stopped:
            raise _Left
        with self._registry.steps.step():
            yield

    def _answer(self, session: TextSession, update: Update) -> dict[str, Any]:
        try:
            return session.answer(update)
        except ServeError as problem:
            return _error(problem, update.seq)
        except Exception:
            log.exception("an update could not be translated")
            return _error(_Failed("This update was dropped; the session goes on."), update.seq)

    def _tell(self, message: dict[str, Any]) -> None:
        if not self._stopped:
            asyncio.run_coroutine_threadsafe(self._send(message), self._loop).result()

    def _next(self) -> Update | None:
        with self._changed:
            self._changed.wait_for(lambda: self._updates or self._stopped)
            return None if self._stopped else self._updates.popleft()


class _Left(BaseException):
    """The client is gone; nothing of its update is to be put right."""


class _Failed(ServeError):
    """An update could not be translated."""

    code = "processing_failed"
    close = 1011


class _Overrun(ServeError):
    """Too many updates wait."""

    code = "processing_failed"


_CODES = {BadMessage: "bad_protocol", BadState: "bad_protocol", TooLarge: "bad_protocol"}


def _error(problem: ServeError, seq: int | None) -> dict[str, Any]:
    """Write an error with the codes of this protocol where it has one."""
    code = _CODES.get(type(problem), problem.code)
    number = {} if seq is None else {"seq": seq}
    return {"type": "error", "code": code, "message": str(problem), **number}
