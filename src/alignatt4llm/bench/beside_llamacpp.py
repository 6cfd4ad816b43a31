"""llama.cpp as it comes, beside which this package's pass is measured."""

import os
import platform
from collections.abc import Sequence
from glob import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.bench.measure import bytes_per_second
from alignatt4llm.bench.yardsticks import Yardsticks
from alignatt4llm.errors import AlignattError, extra
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.text.prefix import common_prefix
from alignatt4llm.translators.base import Passed
from alignatt4llm.translators.llamacpp.context import LlamaContext
from alignatt4llm.translators.llamacpp.translator import LlamaTranslator

_ONE_WAY = "llama.cpp gives attention rows in one way only, the one that is measured"
_LEFT_OUT = dict.fromkeys(("exact_over_chunk", "row_error"), _ONE_WAY)
_ON_GPU = {"step_over_floor": "llama.cpp may have weights in the memory of a GPU"}


def yardsticks(interpreter: Interpreter, heads: HeadSet) -> Yardsticks:
    """Return what a model in llama.cpp is compared with: stock llama.cpp on the same weights."""
    translator = interpreter.translator
    assert isinstance(translator, LlamaTranslator)
    inside, threads = translator.inside, translator.pace.threads
    on_gpu = bool(inside.library.call.llama_supports_gpu_offload())
    return Yardsticks(
        library=lambda: Stock(inside, threads),
        exact=None,
        floor=None if on_gpu else lambda: weight_bytes(inside.file) / bytes_per_second(threads),
        facts={
            "threads": threads,
            "hardware": f"{platform.machine()}, {os.cpu_count()} CPUs",
            "weights": inside.file.name,
            "versions": {"llama.cpp": inside.library.name},
        },
        left_out={**_LEFT_OUT, **(_ON_GPU if on_gpu else {})},
    )


class Stock:
    """Bare passes of one stream by llama.cpp alone; see `Lane`.

    Nothing is watched, attention is as fast as the library has it, and nothing but the likeliest
    token is read.

    Parameters
    ----------
    inside
        The model, whose weights are shared.
    threads
        CPU threads.
    """

    def __init__(self, inside: LlamaContext, threads: int) -> None:
        self._call = call = inside.library.call
        params = call.llama_context_default_params()
        params.n_ctx = inside.context
        params.n_threads = params.n_threads_batch = threads
        self._room: int = params.n_batch
        self._handle: int | None = call.llama_init_from_model(inside.model, params)
        if not self._handle:
            raise AlignattError(
                f"'{inside.file}' cannot be measured without rows: {inside.library.problem()}."
            )
        self._memory = call.llama_get_memory(self._handle)
        self._batch = call.llama_batch_init(self._room, 0, 1)
        self._vocabulary: int = call.llama_vocab_n_tokens(inside.words)
        self._ids: list[int] = []

    def feed(
        self, ids: Sequence[int], wanted: int = 1, columns: NDArray[np.int64] | None = None
    ) -> Passed:
        """Compute tokens in one pass; there are no rows."""
        first = len(ids) - wanted
        self.keep(min(common_prefix(self._ids, ids), first))
        while len(self._ids) < len(ids):
            self._decode(ids[len(self._ids) :][: self._room], first)
        logits = self._call.llama_get_logits_ith(self._handle, -1)
        return Passed(int(np.ctypeslib.as_array(logits, (self._vocabulary,)).argmax()))

    def keep(self, count: int) -> None:
        """Forget all but the first ``count`` tokens."""
        del self._ids[count:]
        self._call.llama_memory_seq_rm(self._memory, 0, len(self._ids), -1)

    def close(self) -> None:
        """Free the context."""
        if self._handle:
            self._call.llama_batch_free(self._batch)
            self._call.llama_free(self._handle)
            self._handle = None

    def _decode(self, fresh: Sequence[int], first: int) -> None:
        """Compute tokens; logits are wanted from position ``first`` on."""
        batch = self._batch
        batch.n_tokens = len(fresh)
        for n, token in enumerate(fresh):
            position = len(self._ids) + n
            batch.token[n], batch.pos[n], batch.logits[n] = token, position, position >= first
            batch.n_seq_id[n], batch.seq_id[n][0] = 1, 0
        if status := self._call.llama_decode(self._handle, batch):
            raise AlignattError(f"llama.cpp has failed ({status}).")
        self._ids += fresh


def weight_bytes(file: Path) -> int:
    """Count what a decode step reads: all weights, but not embeddings apart from the output's."""
    with extra("llamacpp", "Counting weights"):
        from gguf import GGUFReader
    parts = file.parent.glob(escape(file.name).replace("-00001-of-", "-?????-of-"))
    sizes = {str(t.name): int(t.n_bytes) for part in parts for t in GGUFReader(part).tensors}
    apart = "token_embd.weight" if "output.weight" in sizes else ""
    return sum(size for name, size in sizes.items() if name != apart)
