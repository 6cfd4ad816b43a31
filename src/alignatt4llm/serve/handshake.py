"""The beginning of a WebSocket."""

from starlette.websockets import WebSocket


async def accept(socket: WebSocket) -> None:
    """Accept a client; browsers leave when none of the subprotocols they offer is taken up."""
    offered = socket.scope.get("subprotocols") or [None]
    await socket.accept(subprotocol=offered[0])
