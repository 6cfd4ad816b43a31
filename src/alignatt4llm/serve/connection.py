"""The audio door: one WebSocket, from its first message to its last."""

import asyncio
import json
import logging
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from alignatt4llm.serve.errors import (
    BadMessage,
    EngineFailed,
    Farewell,
    Idle,
    Refused,
    Replaced,
    ServeError,
    TooLarge,
    TooManyErrors,
)
from alignatt4llm.serve.failures import Failures
from alignatt4llm.serve.handshake import accept
from alignatt4llm.serve.inbox import Inbox
from alignatt4llm.serve.messages import (
    Add,
    Audio,
    Conversation,
    Drop,
    Finish,
    Message,
    Ping,
    Resume,
    Start,
    State,
    parse,
)
from alignatt4llm.serve.registry import Registry
from alignatt4llm.serve.resuming import Ended
from alignatt4llm.serve.sessions import BYTES_PER_SECOND, LiveSession
from alignatt4llm.serve.tasks import first

_ROOM = 0.05
"""Seconds between two looks whether a session can take more audio."""

log = logging.getLogger(__name__)


class Gone(Exception):
    """The client no longer takes what it is sent."""


class Connection:
    """One client of the audio door.

    Parameters
    ----------
    socket
        Not accepted yet.
    registry
        Where sessions are.
    """

    def __init__(self, socket: WebSocket, registry: Registry) -> None:
        self._socket = socket
        self._inbox = Inbox(socket)
        self._registry = registry
        self._limits = registry.limits
        self._failures = Failures(registry.metrics)
        self._conversation = Conversation()
        self._sending = asyncio.Lock()
        self._errors = 0

    async def run(self) -> None:
        """Serve the client until it leaves or the session is over."""
        await accept(self._socket)
        try:
            await self._serve()
            await self._close(1000)
        except Farewell as problem:
            self._failures.note(self._socket, problem)
            await self._part(problem)
        except WebSocketDisconnect:
            if self._conversation.state is State.LIVE:
                self._registry.metrics.drops.labels("vanished").inc()
        except Gone:
            self._registry.metrics.drops.labels("slow").inc()
            await self._close(1008)
        except Exception:
            log.exception("a connection failed")
            await self._part(EngineFailed("The server failed here; resume in a moment."))

    async def _serve(self) -> None:
        try:
            wish = await asyncio.wait_for(self._greeting(), self._limits.hello)
        except TimeoutError:
            raise Idle("Nothing was asked for; send a 'start' or 'resume' message.") from None
        if isinstance(wish, Start):
            await self._begin(wish)
        else:
            await self._resume(wish)

    async def _begin(self, wish: Start) -> None:
        session, key = await self._registry.start(wish)
        with self._registry.attached(session, self):
            await self._send(_message("started", session, key=key, position=0))
            await first(self._listen(session, 0), self._tell(session, 0, wish.trace))

    async def _resume(self, wish: Resume) -> None:
        async with self._inbox.reading_ahead():
            found = await self._registry.resume(wish, self._inbox.check)
            self._inbox.check()  # whoever has left takes nothing from a later connection
        seq = min(wish.seq, found.broadcast.journal.last)
        if isinstance(found, Ended):
            await self._tell_the_rest(found, seq, wish.position)
            return
        with self._registry.attached(found, self):
            missing = found.missing(wish.position)
            position = found.received + missing
            greeting = {"seq": seq, "position": position, "ended": False}
            await self._send(_message("resumed", found, **greeting))
            await first(self._listen(found, missing), self._tell(found, seq, wish.trace))

    async def _greeting(self) -> Start | Resume:
        while True:
            message = await self._receive()
            if isinstance(message, Start | Resume):
                return message

    async def _listen(self, session: LiveSession, missing: int) -> None:
        """Pass audio on; audio that was lost on the way is silence."""
        while missing:
            silence = bytes(min(missing, BYTES_PER_SECOND))
            await self._offer(session, silence)
            missing -= len(silence)
        while True:
            message = await self._receive()
            if isinstance(message, Audio):
                await self._offer(session, message.data)
            elif isinstance(message, Finish):
                session.finish()
            elif isinstance(message, Add | Drop):
                await self._change(session, message)

    async def _change(self, session: LiveSession, wish: Add | Drop) -> None:
        """Add or drop a language; what cannot be is answered, and nothing changes."""
        try:
            if isinstance(wish, Add):
                await self._registry.add(session, wish)
            else:
                self._registry.drop(session, wish)
        except Refused as problem:
            await self._complain(problem)

    async def _offer(self, session: LiveSession, data: bytes) -> None:
        """Give audio to the session, and let the client wait while it can take no more."""
        while True:
            if not session.life.fed_by(self):
                raise Replaced("Another connection has taken this session over.")
            if session.offer(data):
                return
            session.life.touch()
            await asyncio.sleep(_ROOM)

    async def _tell(self, session: LiveSession, seq: int, trace: bool) -> None:
        """Send events as they come, and the status with every heartbeat."""
        clock = asyncio.get_running_loop().time
        told = clock()
        with session.broadcast.listener(seq, trace) as listener:
            while True:
                over = session.over
                async for line in listener.fresh():
                    await self._send(line)
                if over:
                    break
                if not session.life.fed_by(self):
                    raise Replaced("Another connection has taken this session over.")
                await listener.wait(max(0.0, told + self._limits.heartbeat - clock()))
                if clock() - told >= self._limits.heartbeat:
                    told = clock()
                    await self._send(json.dumps(session.status()))
        if session.life.problem:
            raise session.life.problem

    async def _tell_the_rest(self, ended: Ended, seq: int, position: int) -> None:
        """Send what a client has missed of a session that is over."""
        self._conversation.state = State.ENDING
        greeting = {"seq": seq, "position": position, "ended": True}
        await self._send(_message("resumed", ended, **greeting))
        with ended.broadcast.listener(seq, trace=False) as listener:
            async for line in listener.fresh():
                await self._send(line)

    async def _receive(self) -> Message:
        """Return the next message that makes sense here; answer the others with an error."""
        while True:
            event = await self._inbox.next()
            if event["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(event.get("code", 1006))
            try:
                message = self._parse(event)
                self._conversation.receive(message)
            except Farewell:
                raise
            except ServeError as problem:
                await self._complain(problem)
                continue
            self._errors = 0
            if not isinstance(message, Ping):
                return message
            await self._send(json.dumps({"type": "pong", "id": message.id}))

    def _parse(self, event: Any) -> Message:
        data, text = event.get("bytes"), event.get("text")
        if len(data or text or "") > self._limits.message:
            raise TooLarge(f"Messages may have {self._limits.message} bytes; send smaller ones.")
        if data is not None:
            if not data:
                raise BadMessage("This message is empty; send audio in it.")
            return Audio(data)
        return parse(text or "", self._registry.defaults, self._conversation.version)

    async def _complain(self, problem: ServeError) -> None:
        self._errors += 1
        self._failures.log(self._socket, problem)
        await self._send(error_frame(problem))
        if self._errors >= self._limits.errors:
            raise TooManyErrors(f"{self._errors} bad messages in a row; read docs/protocol.md.")

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(self._limits.send), self._sending:
                await self._socket.send_text(text)
        except TimeoutError:
            raise Gone from None

    async def _part(self, problem: Farewell) -> None:
        try:
            await self._send(error_frame(problem))
            await self._close(problem.close or 1000)
        except (Gone, WebSocketDisconnect):
            pass

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(self._limits.send):
                await self._socket.close(code)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            pass


def error_frame(problem: ServeError) -> str:
    """Write an error as clients are told it."""
    return json.dumps(
        {
            "type": "error",
            "code": problem.code,
            "message": str(problem),
            "fatal": problem.close is not None,
        },
        ensure_ascii=False,
    )


def _message(kind: str, session: LiveSession | Ended, **more: Any) -> str:
    header = session.header
    known = {key: header[key] for key in ("version", "session", "pair", "latency", "audio")}
    if header["version"] > 1:
        del known["pair"]
        known |= {"from": header["from"], "to": session.codes}
    return json.dumps({"type": kind, **known, **more})
