"""An engine replica: one model in memory, which answers whole drafts."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from alignatt4llm.cluster.drafts import Answer, Ask, Described, Lane
from alignatt4llm.cluster.kept import Kept
from alignatt4llm.errors import AlignattError
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.prompts.prompt import PromptForm
from alignatt4llm.serve.steps import Steps
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Drafter

T = TypeVar("T")


class Engine:
    """Loads a model once and drafts for any stream; every call carries all that it needs.

    Parameters
    ----------
    system
        Which model, in which engine.
    pairs
        Directions for which a head set is calibrated if there is none.
    streams
        How many streams it keeps something for, and drafts for at once.
    longest
        Seconds after which a draft that does not come back means that the engine hangs.
    """

    def __init__(
        self, system: System, pairs: Sequence[str] = (), streams: int = 8, longest: float = 60.0
    ) -> None:
        self._models = (system, tuple(pairs))
        self._interpreter = Interpreter(
            system, streams=streams, pairs=[Pair.parse(pair) for pair in pairs]
        )
        self._kept = Kept(streams, self._opened)
        self._threads = ThreadPoolExecutor(streams, "draft")
        self._steps = Steps()
        self._longest = longest

    async def describe(self) -> Described:
        """Say which model it is."""
        return Described.of(self._models, self._interpreter.system, self._interpreter.loaded)

    async def prompt_form(self, pair: Pair, form: str) -> PromptForm | AlignattError:
        """Return the model's prompt; see `Translator.prompt_form`."""
        return await self._told(lambda: self._interpreter.translator.prompt_form(pair, form))

    async def open(self, lane: Lane) -> AlignattError | None:
        """Check that a head set fits, and read what prompts begin with."""

        def work() -> None:
            with self._kept.drafter(lane):
                pass

        return await self._told(work)

    async def draft(self, ask: Ask) -> Answer:
        """Make a draft."""
        return await self._told(lambda: self._draft(ask))

    async def close(self, stream: str) -> None:
        """Free what is kept for a stream."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._kept.drop, stream)

    async def check_health(self) -> None:
        """Raise if the engine hangs, so that the replica is replaced."""
        if self._steps.longest() > self._longest:
            raise TimeoutError(f"a draft has not come back for {self._longest:g} s")

    async def _told(self, work: Callable[[], T]) -> T | AlignattError:
        """Do work in a thread; what a client is told of it travels as a value."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except AlignattError as problem:
            return problem

    def _opened(self, lane: Lane) -> Drafter:
        return self._interpreter.translator.open(lane.pair, lane.heads, lane.beginning)

    def _draft(self, ask: Ask) -> Answer:
        with self._kept.drafter(ask.lane) as drafter, self._steps.step():
            return drafter.draft(ask.prompt, ask.budget, ask.judge, ask.guess)
