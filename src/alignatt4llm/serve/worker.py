"""Slow work beside the event loop, with bounded patience."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Future
from typing import TypeVar

from alignatt4llm.schedule.aside import END, Aside
from alignatt4llm.serve.errors import EngineStuck

T = TypeVar("T")

log = logging.getLogger(__name__)


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
    aside = Aside(steps, "upload")
    aside.over.add_done_callback(_note)
    try:
        while (item := await _within(patience, aside.ask())) is not END:
            yield item
    finally:
        aside.leave()


def _note(over: Future[None]) -> None:
    if problem := over.exception():
        log.error("an upload could not be closed", exc_info=problem)


async def _within(patience: float, step: Future[T]) -> T:
    waiting = asyncio.wrap_future(step)
    try:
        done, _ = await asyncio.wait([waiting], timeout=patience)
        if not done:
            raise EngineStuck(f"A chunk took more than {patience:g} s; try again.")
        return waiting.result()
    finally:
        waiting.cancel()
