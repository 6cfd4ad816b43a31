"""transformers as it comes, beside which this package's pass is measured."""

import os
import platform
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, DynamicCache

from alignatt4llm.attention.half_linear import HalfLinear
from alignatt4llm.bench.measure import bytes_per_second, speed
from alignatt4llm.bench.yardsticks import Yardsticks
from alignatt4llm.heads.headset import Head, HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.machine.device import Device
from alignatt4llm.text.prefix import common_prefix
from alignatt4llm.translators.base import Passed
from alignatt4llm.translators.transformers import TransformersTranslator

_BYTES = 1 << 28


def yardsticks(interpreter: Interpreter, heads: HeadSet) -> Yardsticks:
    """Return what a model in transformers is compared with; it is loaded once more for that."""
    translator = interpreter.translator
    assert isinstance(translator, TransformersTranslator)
    own = translator.model
    plain = cache(lambda: load(interpreter.location))
    return Yardsticks(
        library=lambda: Plain(plain(), "sdpa"),
        exact=lambda: Plain(plain(), "eager", heads.heads),
        floor=lambda: weight_bytes(own) / _memory_speed(own.device),
        facts={
            "threads": torch.get_num_threads(),
            "hardware": f"{platform.machine()}, {os.cpu_count()} CPUs, {_device(own)}",
            "weights": str(own.dtype).removeprefix("torch."),
            "versions": {name: version(name) for name in ("torch", "transformers")},
        },
    )


def load(location: str) -> Any:
    """Load a model as its type suits the device."""
    device = Device.best()
    model = AutoModelForCausalLM.from_pretrained(location, dtype=device.torch_dtype)
    return model.to(device.name).eval()


class Plain:
    """Bare passes of one stream by transformers alone; see `Lane`.

    Parameters
    ----------
    model
        The model; lanes may share it.
    attention
        ``eager``, which returns all attention weights, or ``sdpa``, which returns none.
    heads
        Whose rows are returned.
    """

    def __init__(self, model: Any, attention: str, heads: Sequence[Head] = ()) -> None:
        self._model, self._attention, self._heads = model, attention, list(heads)
        self._ids: list[int] = []
        self._cache = DynamicCache()

    @torch.inference_mode()
    def feed(
        self, ids: Sequence[int], wanted: int = 1, columns: NDArray[np.int64] | None = None
    ) -> Passed:
        """Compute tokens in one pass."""
        self.keep(min(common_prefix(self._ids, ids), len(ids) - wanted))
        self._model.set_attn_implementation(self._attention)
        out = self._model(
            torch.tensor([ids[len(self._ids) :]], device=self._model.device),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=wanted,
            output_attentions=bool(self._heads),
        )
        self._ids = list(ids)
        best = int(out.logits[0, -1].argmax())
        if columns is None or not self._heads:
            return Passed(best)
        rows = [out.attentions[layer][0, head, -wanted:] for layer, head in self._heads]
        return Passed(best, torch.stack(rows, dim=1).float().cpu().numpy()[:, :, columns])

    def keep(self, count: int) -> None:
        """Forget all but the first ``count`` tokens."""
        dropped = len(self._ids) - count
        if count == 0:
            self._cache = DynamicCache()
        elif dropped > 0:
            self._cache.crop(-dropped)
        del self._ids[count:]

    def close(self) -> None:
        """Free the keys and values of this stream."""
        self.keep(0)


def weight_bytes(model: torch.nn.Module) -> int:
    """Count what a decode step reads: all weights but the embeddings, of which it takes one."""
    modules = [part for part in model.modules() if not isinstance(part, torch.nn.Embedding)]
    weights = {weight for part in modules for weight in part.parameters(recurse=False)}
    halves = sum(part.weight_bytes for part in modules if isinstance(part, HalfLinear))
    return halves + sum(weight.numel() * weight.element_size() for weight in weights)


def _memory_speed(device: torch.device) -> float:
    """Return how many bytes a second a device reads."""
    if device.type == "cpu":
        return bytes_per_second(torch.get_num_threads())
    large = torch.ones(_BYTES // 4, device=device)
    return speed(lambda: large.sum().item(), _BYTES)


def _device(model: Any) -> str:
    return torch.cuda.get_device_name() if model.device.type == "cuda" else str(model.device)
