"""A vLLM worker that also reads attention rows: ``--worker-cls`` of every engine here."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from vllm.model_executor.layers.attention import Attention
from vllm.platforms import current_platform
from vllm.v1.attention.backend import AttentionType

from alignatt4llm.attention.rows import AttentionForm
from alignatt4llm.errors import AlignattError
from alignatt4llm.translators.vllm.beside import Beside
from alignatt4llm.translators.vllm.capture import tap
from alignatt4llm.translators.vllm.keys import KeyCache
from alignatt4llm.translators.vllm.ledger import EXTRA, Ledger
from alignatt4llm.translators.vllm.mail import Outbox
from alignatt4llm.translators.vllm.rows import Batch, Layer, StepQueries, StepRows

if current_platform.is_cpu():
    from vllm.v1.worker.cpu_worker import CPUWorker as PlatformWorker
else:
    from vllm.v1.worker.gpu_worker import Worker as PlatformWorker


class RowWorker(PlatformWorker):  # type: ignore[misc]
    """The platform's own worker; rows are computed right after each step.

    On a CPU that is done beside the next step, as long as it writes elsewhere; a GPU queues it.

    ``additional_config["alignatt"]["layers"]`` names the layers to tap; all of them if it does
    not.
    """

    def load_model(self, **options: Any) -> None:
        """Load the model and tap its layers, so that the buffers count as the model's memory."""
        super().load_model(**options)
        self._problem = ""
        self._ledger = Ledger()
        self._outbox = Outbox(self._rank, self.device)
        self._beside = Beside()
        self._rows = StepRows({}, self.device)
        self._taps: dict[int, tuple[str, Attention, StepQueries, int]] = {}
        try:
            _refuse(self.vllm_config)
            self._tap()
        except AlignattError as problem:
            self._problem = str(problem)

    def initialize_from_config(self, kv_cache_config: Any) -> None:
        """Allocate the cache and find out how keys lie in it."""
        super().initialize_from_config(kv_cache_config)
        if not self._problem:
            try:
                self._rows.layers = self._layers(self.model_runner.kv_cache_config)
            except AlignattError as problem:
                self._problem = str(problem)

    def execute_model(self, scheduler_output: Any) -> Any:
        """Run a step and begin to read its rows, once those of the last one cannot suffer."""
        if self._beside.busy and self._ledger.overwritten_by(scheduler_output):
            self._beside.finish()
        output = super().execute_model(scheduler_output)
        self._beside.finish()
        self._ledger.forget(scheduler_output.finished_req_ids)
        if parts := self._ledger.parts(scheduler_output):
            tokens = scheduler_output.total_num_scheduled_tokens
            gather = partial(self._rows.gather, parts, tokens)
            if self.device.type == "cpu":
                self._beside.begin(gather, self._give)
            else:
                self._give(gather())
        return output

    def sample_tokens(self, grammar_output: Any) -> Any:
        """Sample the step's tokens; its queries are copied by then, and may be overwritten."""
        output = super().sample_tokens(grammar_output)
        self._beside.settle()
        return output

    def describe_rows(self) -> dict[str, Any]:
        """Say which rows can be had: problem if none, layers tapped, layers and heads there are."""
        config = self.model_config
        return {
            "problem": self._problem,
            "tapped": sorted(self._taps),
            "layers": config.get_total_num_hidden_layers(),
            "heads": config.model_arch_config.total_num_attention_heads,
        }

    def shutdown(self) -> None:
        """Stop sending."""
        if hasattr(self, "_outbox"):  # not if the model could not be loaded
            self._beside.close()
            self._outbox.close()
        super().shutdown()

    def _give(self, batches: Sequence[Batch]) -> None:
        """Compute and send rows."""
        for batch in batches:
            self._outbox.send(batch.parts, batch.rows())

    @property
    def _rank(self) -> int:
        """Which of the workers that share the model's heads this is."""
        return int(self.rank) % int(self.parallel_config.tensor_parallel_size)

    def _tap(self) -> None:
        found = _attention_layers(self.vllm_config)
        asked = (self.vllm_config.additional_config or {}).get(EXTRA, {}).get("layers")
        chosen = sorted(found) if asked is None else asked
        if missing := [layer for layer in chosen if layer not in found]:
            raise AlignattError(
                f"Rows of layer {missing[0]} are wanted, but this model's layers with ordinary "
                f"attention are {_listed(sorted(found))}."
            )
        tokens = self.scheduler_config.max_num_batched_tokens
        tokens += self.parallel_config.tensor_parallel_size  # padding to a multiple of the ranks
        alike: dict[tuple[int, int, torch.dtype], list[int]] = {}
        for index in chosen:
            layer = found[index][1]
            alike.setdefault((layer.num_heads, layer.head_size, layer.dtype), []).append(index)
        for (heads, size, dtype), indices in alike.items():
            kept = StepQueries(len(indices), tokens, (heads, size), dtype, self.device)
            for place, index in enumerate(indices):
                name, layer = found[index]
                tap(name, layer, kept, place)
                self._taps[index] = name, layer, kept, place

    def _layers(self, config: Any) -> dict[int, Layer]:
        groups = {
            name: number
            for number, group in enumerate(config.kv_cache_groups)
            for name in group.layer_names
        }
        layers = {}
        for index, (name, layer, kept, place) in self._taps.items():
            group = groups[name]
            layers[index] = Layer(
                queries=kept,
                place=place,
                keys=KeyCache(layer),
                form=AttentionForm(
                    float(layer.impl.scale),
                    layer.sliding_window,
                    getattr(layer.impl, "logits_soft_cap", None) or None,
                    getattr(layer.impl, "sinks", None),
                ),
                first_head=self._rank * layer.num_heads,
                heads=layer.num_heads,
                key_heads=layer.num_kv_heads,
                group=group,
                block_size=config.kv_cache_groups[group].kv_cache_spec.block_size,
            )
        return layers


def _attention_layers(config: Any) -> dict[int, tuple[str, Attention]]:
    """Return the decoder's attention layers by number; encoders have a kind of their own."""
    found = {}
    for name, layer in config.compilation_config.static_forward_context.items():
        numbers = [int(part) for part in name.split(".") if part.isdecimal()]
        if isinstance(layer, Attention) and layer.attn_type == AttentionType.DECODER and numbers:
            found[numbers[0]] = name, layer
    if not found:
        raise AlignattError(
            "This model has no layer with vLLM's ordinary attention, so its rows cannot be read."
        )
    return found


def _refuse(config: Any) -> None:
    """Raise AlignattError for ways of running a model in which rows would be wrong."""
    parallel = config.parallel_config
    unsupported = {
        "pipeline parallelism": parallel.pipeline_parallel_size > 1,
        "decode context parallelism": parallel.decode_context_parallel_size > 1,
        "prefill context parallelism": parallel.prefill_context_parallel_size > 1,
        "batches overlapping batches": parallel.use_ubatching,
        "workers on several machines": parallel.nnodes > 1,
        "speculative decoding": config.speculative_config is not None,
    }
    for name, used in unsupported.items():
        if used:
            raise AlignattError(f"Rows cannot be read with vLLM's {name}; start it without.")


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
