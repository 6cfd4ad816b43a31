"""A model in llama.cpp, and the passes in which streams are fed to it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.headset import Head, Layout
from alignatt4llm.machine.memory import free_bytes, gigabytes
from alignatt4llm.translators.llamacpp.binding import Library, library
from alignatt4llm.translators.llamacpp.feed import Feed, Token
from alignatt4llm.translators.llamacpp.slots import Slots, Stream
from alignatt4llm.translators.llamacpp.watch import Watch
from alignatt4llm.weights.gguf import read_header
from alignatt4llm.weights.gguf_files import part_names

CONTEXT = 4096
"""Longest prompt and draft of a stream unless told otherwise, in tokens."""
PASS = 256
"""New tokens that are computed together at most."""
READ = 0
"""Load a file by reading it: what is arranged anew for the processor is then in memory once, and
not a second time as a mapped file. Files of models that look up a few rows of a large table stay
mapped (Gemma's embeddings a layer): of these only the rows that are used take memory."""
F16, F32 = 1, 0
"""Types of keys and values."""


class LlamaContext:
    """A model, and the keys and values of streams.

    Parameters
    ----------
    file
        The GGUF file, the first of a split one.
    streams
        How many streams keep what they have read; others take their places.
    context
        Longest prompt and draft of each, in tokens; no longer than the model can.
    gpu_layers
        How many layers a GPU computes; by default all that fit, where the build has one.
    precise
        Whether keys and values are kept in float32 and not in float16.

    Attributes
    ----------
    file
        The file.
    model
        llama.cpp's handle.
    layout
        The grid of the model's heads.

    Raises
    ------
    AlignattError
        If the file cannot be loaded, or the model gives no rows.
    """

    def __init__(
        self,
        file: Path,
        *,
        streams: int = 1,
        context: int = CONTEXT,
        gpu_layers: int | None = None,
        precise: bool = False,
    ) -> None:
        self.library = library()
        self._call = call = self.library.call
        self.file, self.gpu_layers = file, gpu_layers
        self.model = _load(self.library, file, gpu_layers)
        self.layout = Layout(
            call.llama_model_n_layer(self.model), call.llama_model_n_head(self.model)
        )
        self.context = min(context, call.llama_model_n_ctx_train(self.model))
        self._vocabulary: int = call.llama_vocab_n_tokens(self.words)
        self._watch = Watch(call)
        self._watcher = self.library.watcher(self._watch)
        self._handle = self._open(streams, F32 if precise else F16)
        self._memory = call.llama_get_memory(self._handle)
        self._batch = call.llama_batch_init(PASS, 0, 1)
        self._free = finalize(self, _free, call, self._batch, self._handle, self.model)
        self._free.atexit = False  # threads may still be inside
        self._streams, self._slots = streams, Slots(streams, self._copy)
        self._probe()

    @property
    def words(self) -> int:
        """llama.cpp's handle of the vocabulary."""
        handle: int = self._call.llama_model_get_vocab(self.model)
        return handle

    @property
    def template(self) -> str | None:
        """The chat template."""
        found: bytes | None = self._call.llama_model_chat_template(self.model, None)
        return found.decode("utf-8", "replace") if found else None

    def check(self, heads: Sequence[Head]) -> None:
        """Raise AlignattError if the model has no such layer or head, or shows no rows of it."""
        for layer, head in heads:
            if not (0 <= layer < self.layout.layers and 0 <= head < self.layout.heads):
                raise AlignattError(
                    f"The head set names head ({layer}, {head}), but this model has {self.layout}."
                )
            if layer not in self._watch.layers:
                raise AlignattError(
                    f"The head set names head ({layer}, {head}), but layer {layer} of this model "
                    "has no attention rows in llama.cpp."
                )

    def run(self, feeds: Sequence[Feed]) -> None:
        """Run passes until every feed has what it wants.

        Raises
        ------
        AlignattError
            If llama.cpp fails.
        """
        for begin in range(0, len(feeds), self._streams):
            together = feeds[begin : begin + self._streams]
            for feed in together:
                self._prepare(feed, [other.stream for other in together])
            for some, count in _rounds(sorted(together, key=lambda feed: feed.slot.number)):
                self._decode(some, count)

    def stream(self, heads: Sequence[Head] = ()) -> Stream:
        """Return a new stream of which the rows of some heads are read."""
        return self._slots.stream(heads)

    def keep(self, stream: Stream, count: int) -> None:
        """Have a stream hold its first ``count`` tokens only; it has a place afterwards."""
        del self._slots.take(stream, (), ()).ids[count:]

    def free(self, stream: Stream) -> None:
        """Give up the place of a stream."""
        self._slots.free(stream)

    def set_threads(self, one: int, several: int) -> None:
        """Set the CPU threads of passes over one token, and over several."""
        self._call.llama_set_n_threads(self._handle, one, several)

    def close(self) -> None:
        """Free the model; nothing else may be called after it."""
        self._free()

    def _prepare(self, feed: Feed, busy: Sequence[Stream]) -> None:
        """Find a feed's sequence, and forget what it holds beyond what is kept."""
        slot = self._slots.take(feed.stream, feed.tokens, busy)
        del slot.ids[feed.kept :]
        self._call.llama_memory_seq_rm(self._memory, slot.number, len(slot.ids), -1)
        feed.prepare(self._vocabulary)

    def _copy(self, source: int, target: int) -> None:
        self._call.llama_memory_seq_rm(self._memory, target, 0, -1)
        self._call.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def _decode(self, feeds: Sequence[Feed], count: int) -> None:
        """Compute the next ``count`` tokens of every feed in one pass."""
        tokens = [token for feed in feeds for token in feed.next(count)]
        self._watch.begin(feeds, count)
        self._compute(tokens)
        for index, feed in enumerate(feeds):
            for n, token in enumerate(feed.next(count), start=index * count):
                if token.asks:
                    feed.logits[token.position - feed.first] = self._logits(n)
            feed.slot.ids += [token.id for token in feed.next(count)]

    def _compute(self, tokens: Sequence[Token]) -> None:
        batch = self._batch
        batch.n_tokens = len(tokens)
        for n, token in enumerate(tokens):
            batch.token[n], batch.pos[n], batch.logits[n] = token.id, token.position, token.asks
            batch.n_seq_id[n], batch.seq_id[n][0] = 1, token.slot
        status = self._call.llama_decode(self._handle, batch)
        if problem := self._watch.problem:
            raise problem
        if status:
            raise AlignattError(f"llama.cpp has failed ({status}): {self.library.problem()}.")

    def _logits(self, index: int) -> NDArray[np.float32]:
        """Return the logits after a token of the last pass, shape [vocabulary]; not a copy."""
        found = self._call.llama_get_logits_ith(self._handle, index)
        return np.ctypeslib.as_array(found, (self._vocabulary,))

    def _open(self, streams: int, kind: int) -> int:
        """Return a context in which a position is the same key in every layer."""
        params = self._call.llama_context_default_params()
        params.n_ctx = streams * self.context
        params.n_batch = params.n_ubatch = PASS
        params.n_outputs_max = params.n_outputs_max_per_seq = PASS
        params.n_seq_max = streams
        params.flash_attn_type = 0  # it has no rows
        params.swa_full, params.kv_unified = True, False
        params.type_k = params.type_v = kind
        params.cb_eval = self._watcher
        handle: int = self._call.llama_init_from_model(self.model, params)
        if not handle:
            raise AlignattError(
                f"'{self.file}' cannot be used for {streams} streams of {self.context} tokens, "
                f"{gigabytes(free_bytes())} of memory being free: {self.library.problem()}."
            )
        return handle

    def _probe(self) -> None:
        """Find out, with one token, which layers show rows."""
        self._watch.begin((), 1, every=True)
        self._compute([Token(0, 0, 0, False)])
        self._call.llama_memory_seq_rm(self._memory, 0, 0, -1)
        if not self._watch.layers:
            raise AlignattError(
                f"'{self.file}' is a model without attention rows (recurrent, or with compressed "
                "attention); families such as Llama, Mistral, Qwen 2 and 3, Gemma 2, 3 and 4 have "
                "them."
            )


def _free(call: Any, batch: Any, handle: int, model: int) -> None:
    call.llama_batch_free(batch)
    call.llama_free(handle)
    call.llama_model_free(model)


def _rounds(feeds: Sequence[Feed]) -> Iterator[tuple[list[Feed], int]]:
    """Yield which feeds go together, and how many tokens of each: all of them as many.

    llama.cpp would divide a pass in the same way, but would not say so.
    """
    while pending := [feed for feed in feeds if feed.left]:
        room = max(1, PASS // len(pending))
        yield pending, min(room, *(feed.left for feed in pending))


def _check_memory(file: Path) -> None:
    """Raise AlignattError if a model's weights alone need more memory than there is."""
    parts = [file.with_name(name) for name in part_names(file.name)]
    needed, there = sum(part.stat().st_size for part in parts if part.exists()), free_bytes()
    if needed > there:
        raise AlignattError(
            f"'{file}' needs {gigabytes(needed)} of memory for its weights alone, and "
            f"{gigabytes(there)} are free; close other programs, or take a smaller model or "
            "quantisation."
        )


def _load(library: Library, file: Path, gpu_layers: int | None) -> int:
    """Return the model in a file.

    Raises
    ------
    AlignattError
        If it cannot be loaded, or not enough memory is free.
    """
    params: Any = library.call.llama_model_default_params()
    if gpu_layers == 0 or not library.call.llama_supports_gpu_offload():
        _check_memory(file)
        if not read_header(file).number("embedding_length_per_layer_input"):
            params.load_mode = READ
    if gpu_layers is not None:
        params.n_gpu_layers = gpu_layers
    library.problems.clear()
    handle: int = library.call.llama_model_load_from_file(str(file).encode(), params)
    if not handle:
        raise AlignattError(f"'{file}' cannot be loaded: {library.problem()}.")
    return handle
