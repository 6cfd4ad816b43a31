"""A look at sessions from time to time: whether what they say is kept, and theirs to say here."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from alignatt4llm.serve.sessions import LiveSession

_OFTEN, _SELDOM = 0.25, 1.0
"""Seconds between two looks, while something waits to be kept and otherwise."""

log = logging.getLogger(__name__)


async def keep(sessions: Callable[[], Iterable[LiveSession]]) -> None:
    """Keep what sessions say until cancelled."""
    while True:
        trouble = False
        for session in list(sessions()):
            try:
                await asyncio.to_thread(session.keep)
            except Exception:
                log.exception("keeping what a session says failed")
            trouble |= bool(session.broadcast.journal.trouble)
        await asyncio.sleep(_OFTEN if trouble else _SELDOM)
