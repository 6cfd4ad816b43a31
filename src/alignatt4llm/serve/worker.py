"""Slow work beside the event loop, one step at a time."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Future
from contextlib import closing
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from alignatt4llm.serve.errors import EngineStuck

T = TypeVar("T")

_END: Any = object()


async def in_thread(steps: Generator[T, None, None], patience: float) -> AsyncGenerator[T, None]:
    """Yield what a generator yields in a thread of its own, which works only when it is asked.

    When this is closed, the generator is closed after the step in progress.

    Parameters
    ----------
    steps
        Does the work.
    patience
        Seconds that one step may take.

    Raises
    ------
    EngineStuck
        If a step takes longer. What a step raises is raised here.
    """
    asked: SimpleQueue[Future[T] | None] = SimpleQueue()
    Thread(target=_work, args=(steps, asked), name="upload", daemon=True).start()
    try:
        while (item := await _next(asked, patience)) is not _END:
            yield item
    finally:
        asked.put(None)


async def _next(asked: "SimpleQueue[Future[T] | None]", patience: float) -> T:
    future: Future[T] = Future()
    asked.put(future)
    waiting = asyncio.wrap_future(future)
    try:
        done, _ = await asyncio.wait([waiting], timeout=patience)
        if not done:
            raise EngineStuck(f"A chunk took more than {patience:g} s; try again.")
        return waiting.result()
    finally:
        waiting.cancel()


def _work(steps: Generator[T, None, None], asked: "SimpleQueue[Future[T] | None]") -> None:
    with closing(steps):
        while (future := asked.get()) is not None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(next(steps, _END))
                except BaseException as problem:
                    future.set_exception(problem)
