"""The ways of drafting that are compared: transformers as it comes, and this package's pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel

from alignatt4llm.attention.packed import Feed, Head, Stream
from alignatt4llm.machine.device import Device
from alignatt4llm.translators.base import Stepping

Arm = Callable[[list[int], int], list[int]]
"""Drafts so many tokens after a prompt's tokens, from scratch, and returns them."""


class Plain:
    """Greedy decoding by transformers alone, with keys and values cached.

    Parameters
    ----------
    location
        Folder or hub id of the model.
    attention
        ``eager``, which returns all attention weights, or ``sdpa``, which returns none.
    """

    def __init__(self, location: str, attention: str) -> None:
        self._weights = attention == "eager"
        device = Device.best()
        model: Any = AutoModelForCausalLM.from_pretrained(
            location, dtype=device.torch_dtype, attn_implementation=attention
        )
        self._model: PreTrainedModel = model.to(device.name).eval()
        self.rows: list[Tensor] = []

    @torch.inference_mode()
    def __call__(self, prompt: list[int], budget: int) -> list[int]:
        """Draft; the attention of every pass, [layers, heads, T, L], is left in ``rows``."""
        cache, said, new = DynamicCache(), [], prompt
        self.rows = []
        for _ in range(budget):
            fed = torch.tensor([new], device=self._model.device)
            out = self._model(
                fed,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
                output_attentions=self._weights,
            )
            if self._weights:
                self.rows.append(torch.stack([layer[0] for layer in out.attentions]))
            new = [int(out.logits[0, -1].argmax())]
            said += new
        return said


class Packed:
    """Greedy decoding by this package's pass, nothing kept between drafts.

    Parameters
    ----------
    translator
        The model.
    heads
        Heads whose rows are read over the whole prompt; none for decoding alone.
    """

    def __init__(self, translator: Stepping, heads: list[Head]) -> None:
        self._translator, self._heads = translator, heads
        self.rows: list[Tensor] = []

    def __call__(self, prompt: list[int], budget: int) -> list[int]:
        """Draft; the rows of every step, [H, L], are left in ``rows``."""
        device = self._translator.model.device
        columns = torch.arange(len(prompt), device=device) if self._heads else None
        stream, said, new = Stream(self._heads), [], prompt
        self.rows = []
        for _ in range(budget):
            feed = Feed(stream, new, 1, columns)
            self._translator.stepper.step(feed)
            if self._heads:
                self.rows.append(feed.rows[0].cpu())
            new = [int(feed.logits[0].argmax())]
            said += new
        return said
