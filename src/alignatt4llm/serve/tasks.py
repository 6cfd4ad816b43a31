"""Work side by side in the event loop."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def first(*work: Coroutine[Any, Any, None]) -> None:
    """Run until one of them is done, and stop the others; raise what that one raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
