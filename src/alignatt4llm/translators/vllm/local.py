"""A vLLM engine on this machine."""

import asyncio
import atexit
import signal
from collections.abc import AsyncGenerator, Collection, Coroutine, Generator, Mapping
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import vllm
from packaging.version import Version
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.platforms import current_platform
from vllm.v1.engine.async_llm import AsyncLLM

from alignatt4llm.errors import AlignattError, install, with_extra
from alignatt4llm.machine.device import computes_bfloat16
from alignatt4llm.translators.drafting import CANDIDATES
from alignatt4llm.translators.vllm.ledger import EXTRA
from alignatt4llm.translators.vllm.source import StepSource
from alignatt4llm.translators.vllm.steps import Ask, Step

TESTED = ("0.32", "0.33")
"""The vLLM versions with which this is tested: from the first on, below the second."""
WORKER = "alignatt4llm.translators.vllm.worker.RowWorker"
CONTEXT = 4096
"""Longest prompt and draft unless told otherwise; prompts of speech are a few hundred tokens."""
CACHE_GIB = 1
"""Memory for keys and values on a CPU unless told otherwise."""
PARTING = 30
"""Seconds for its processes to end before they are killed."""

T = TypeVar("T")


class LocalEngine:
    """vLLM's asynchronous engine in a thread of its own.

    Parameters
    ----------
    location
        The model's folder.
    layers
        Layers whose rows can be read; None for all.
    options
        vLLM engine arguments beyond those set here.

    Raises
    ------
    AlignattError
        If vLLM does not start, or cannot give rows the way it is run.
    """

    def __init__(
        self,
        location: str | Path,
        layers: Collection[int] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        check_version()
        self._loop = asyncio.new_event_loop()
        resource_tracker.ensure_running()  # it would let signals through again
        self._thread = Thread(target=self._serve, name="vllm", daemon=True)
        self._thread.start()
        self._client: AsyncLLM | None = None
        self._source: StepSource | None = None
        atexit.register(self.close)
        try:
            settings = {**engine_settings(layers), "use_tqdm_on_load": False, **(options or {})}
            arguments = AsyncEngineArgs(model=str(location), **settings)
            self._client = self._run(_started(arguments))
            self._source = self._run(StepSource.connect(self._client))
            self.served = self._source.served
        except AlignattError:
            self.close()
            raise
        except Exception as problem:
            self.close()
            raise AlignattError(f"vLLM does not start: {_reason(problem)}") from problem

    def steps(self, ask: Ask) -> Generator[Step, None, None]:
        """Yield step after step; closing the iterator aborts the request."""
        if self._source is None:
            raise AlignattError("This vLLM engine has been closed.")
        steps = self._source.steps(ask)
        try:
            while (step := self._run(_next(steps))) is not None:
                yield step
        except AlignattError:
            raise
        except Exception as problem:
            raise AlignattError(f"vLLM has failed: {_reason(problem)}") from problem
        finally:
            self._run(steps.aclose())

    def close(self) -> None:
        """Stop the engine's processes."""
        atexit.unregister(self.close)
        if self._thread.is_alive():
            self._run(self._shut())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _shut(self) -> None:
        client, self._client = self._client, None
        source, self._source = self._source, None
        if source is not None:
            source.close()
        if client is not None:
            client.shutdown(PARTING)

    def _serve(self) -> None:
        """Run the loop; processes started in it do not hear Ctrl-C, which is for the session."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self._loop.run_forever()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def engine_settings(layers: Collection[int] | None) -> dict[str, Any]:
    """Return the vLLM engine arguments with which rows of some layers can be read."""
    settings: dict[str, Any] = {
        "worker_cls": WORKER,
        "additional_config": {EXTRA: {"layers": None if layers is None else sorted(layers)}},
        "enable_prefix_caching": True,
        "max_model_len": CONTEXT,
        "max_logprobs": CANDIDATES,
        "disable_log_stats": True,
    }
    if current_platform.is_cpu():
        settings |= {
            "enforce_eager": True,  # starts in a third of the time
            "block_size": 32,
            "kv_cache_memory_bytes": CACHE_GIB << 30,
            "dtype": "auto" if computes_bfloat16() else "float32",
        }
    return settings


def check_version() -> None:
    """Raise AlignattError if the vLLM that is installed is not one that is tested."""
    least, below = map(Version, TESTED)
    if not least <= Version(Version(vllm.__version__).base_version) < below:
        raise AlignattError(
            f"vLLM {vllm.__version__} is installed, but rows are tested with {TESTED[0]} up to, "
            f"not including, {TESTED[1]}; {install(with_extra('vllm'))}."
        )


async def _started(arguments: AsyncEngineArgs) -> AsyncLLM:
    return AsyncLLM.from_engine_args(arguments)


async def _next(steps: AsyncGenerator[Step, None]) -> Step | None:
    with suppress(StopAsyncIteration):
        return await anext(steps)
    return None


def _reason(problem: Exception) -> str:
    lines = str(problem).strip().splitlines() or [type(problem).__name__]
    return lines[0]
