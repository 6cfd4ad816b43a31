"""An agent that captions a room over WebRTC: it hears everybody, and everybody reads along.

    pip install 'alignatt4llm[laptop]' aiortc fastapi uvicorn
    uvicorn --app-dir examples webrtc_agent:app

A participant posts an offer with an audio track and a data channel to /offer, as
{"sdp": ..., "type": "offer"}, and takes the answer. Captions of everybody come over the channel.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import av
from aiortc import MediaStreamTrack, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from fastapi import FastAPI

from alignatt4llm import AudioSource, Commit, Interpreter

app = FastAPI()
interpreter = Interpreter(streams=4)
room: set[RTCDataChannel] = set()
busy: set[asyncio.Task[None]] = set()  # what runs would be forgotten otherwise


@app.post("/offer")
async def offer(offered: dict[str, str]) -> dict[str, str]:
    """Let somebody in."""
    peer = RTCPeerConnection()

    @peer.on("datachannel")
    def enter(channel: RTCDataChannel) -> None:
        room.add(channel)
        channel.on("close", lambda: room.discard(channel))

    @peer.on("track")
    def hear(track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            task = asyncio.create_task(captions(peer, track))
            busy.add(task)
            task.add_done_callback(busy.discard)  # asyncio logs what went wrong

    await peer.setRemoteDescription(RTCSessionDescription(**offered))
    await peer.setLocalDescription(await peer.createAnswer())
    return {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}


async def captions(peer: RTCPeerConnection, track: MediaStreamTrack) -> None:
    """Say to everybody what somebody says."""
    try:
        async with await asyncio.to_thread(interpreter.open, "en-de") as session:
            async for event in session.stream(AudioSource(frames(track), live=True)):
                if isinstance(event, Commit):
                    for channel in room:
                        if channel.readyState == "open":
                            channel.send(event.text)
    finally:
        await peer.close()


async def frames(track: MediaStreamTrack) -> AsyncIterator[av.AudioFrame]:
    """Yield the sound of a track until it ends."""
    with suppress(MediaStreamError):
        while True:
            frame = await track.recv()
            if isinstance(frame, av.AudioFrame):
                yield frame
