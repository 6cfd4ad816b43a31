"""Captions over a WebSocket, for an app of your own.

    pip install 'alignatt4llm[laptop]' fastapi 'uvicorn[standard]'
    uvicorn --app-dir examples fastapi_app:app

A client connects to /captions/en-de and sends audio in binary messages: 16 kHz mono samples of 16
bits, or the pieces of WebM that a browser's MediaRecorder makes. An empty message ends it. What
comes back are events as JSON, the last of them of type "end".
"""

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from alignatt4llm import AlignattError, AudioSource, Commit, End, Interpreter, Notice, to_json

app = FastAPI()
interpreter = Interpreter(streams=4)


@app.websocket("/captions/{pair}")
async def captions(websocket: WebSocket, pair: str) -> None:
    """Translate what one client sends."""
    await websocket.accept()
    try:
        session = await asyncio.to_thread(interpreter.open, pair)
        async with session:
            audio = AudioSource(received(websocket), live=True)
            async for event in session.stream(audio):
                if isinstance(event, Commit | Notice | End):
                    await websocket.send_text(to_json(event))
        await websocket.close()
    except AlignattError as problem:
        reason = str(problem).encode()[:123]  # there is no room for more
        await websocket.close(1008, reason.decode(errors="ignore"))
    except WebSocketDisconnect:
        pass


async def received(websocket: WebSocket) -> AsyncIterator[bytes]:
    """Yield what the client sends, up to an empty message."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        data = message.get("bytes")
        if data is None:
            raise AlignattError("Send audio in binary messages; this one is text.")
        if not data:
            return
        yield data
