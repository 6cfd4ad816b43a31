"""The model that is taught: low-rank weights beside its own, and what it says of lessons."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from alignatt4llm.adapt.losses import Batch
from alignatt4llm.attention.packed import attention_modules
from alignatt4llm.errors import AlignattError, extra
from alignatt4llm.heads.headset import Head, Layout
from alignatt4llm.machine.device import Device, computes_bfloat16
from alignatt4llm.translators.vocabulary import HubVocabulary


class Student:
    """A decoder-only model with low-rank adapters on every linear layer of its decoder.

    Parameters
    ----------
    model
        The model; its own weights stay as they are.
    tokenizer
        A fast Hugging Face tokeniser.
    rank
        Rank of the adapters; they are scaled by 2.
    is_half
        Whether matrices are multiplied in bfloat16.

    Attributes
    ----------
    adapted
        The model as peft sees it.
    vocabulary, layout
        Its tokens, and the grid of its heads.
    is_half
        As given.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: Any, rank: int, is_half: bool = False
    ) -> None:
        with extra("adapt", "Teaching a model"):
            from peft import LoraConfig, get_peft_model
        model.requires_grad_(False)
        model.set_attn_implementation("eager")  # the only one that gives its rows
        self.model = model
        self.tokenizer = tokenizer
        self.vocabulary = HubVocabulary(tokenizer, model.generation_config)
        self.layout = Layout.of(model.config)
        self.is_half = is_half
        self._attention = attention_modules(model)
        config = LoraConfig(
            r=rank,
            lora_alpha=2 * rank,
            target_modules=linear_layers(model),
            task_type="CAUSAL_LM",
        )
        self.adapted = get_peft_model(model, config)
        self._wanted: Tensor | None = None
        model.get_decoder().register_forward_hook(self._select)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        device: torch.device = self.model.device
        return device

    @property
    def weights(self) -> list[nn.Parameter]:
        """What is taught."""
        return [weight for weight in self.adapted.parameters() if weight.requires_grad]

    def read(self, batch: Batch, heads: Sequence[Head]) -> tuple[Tensor, Tensor]:
        """Feed a batch once.

        Parameters
        ----------
        batch
            Lessons.
        heads
            Whose rows are read.

        Returns
        -------
        logits
            Where something is to be said, shape [N, V].
        rows
            Attention of the heads at the batch's rows over the context, shape [M, H, L].
        """
        self._wanted = batch.places
        try:
            with self._watched({layer for layer, _ in heads}) as seen, self._arithmetic():
                logits = self.model(
                    input_ids=batch.ids, attention_mask=batch.mask, use_cache=False
                ).logits[0]
        finally:
            self._wanted = None
        lesson, place = batch.rows.unbind(1)
        rows = [seen[layer][lesson, head, place] for layer, head in heads]
        none = logits.new_zeros(len(batch.rows), 0, batch.ids.shape[1])
        return logits, torch.stack(rows, 1) if rows else none

    def _arithmetic(self) -> torch.autocast:
        """Multiply in bfloat16 where that is fast; weights and sums keep their digits."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_half)

    def _select(self, _module: nn.Module, _inputs: Any, output: Any) -> Any:
        """Ask the vocabulary, which costs most, only where something is to be said."""
        if self._wanted is not None:
            lesson, place = self._wanted.unbind(1)
            output.last_hidden_state = output.last_hidden_state[lesson, place][None]
        return output

    @contextmanager
    def _watched(self, layers: set[int]) -> Iterator[dict[int, Tensor]]:
        """Keep the attention of layers, [B, H, L, L] each, while inside."""
        seen: dict[int, Tensor] = {}

        def keep(layer: int) -> Any:
            return lambda _module, _inputs, output: seen.__setitem__(layer, output[1])

        hooks = [self._attention[n].register_forward_hook(keep(n)) for n in layers]
        try:
            yield seen
        finally:
            for hook in hooks:
                hook.remove()


def linear_layers(model: PreTrainedModel) -> list[str]:
    """Return the names of the linear layers of a model's decoder, without the output layer.

    Raises
    ------
    AlignattError
        If it has none.
    """
    found = {
        name.rpartition(".")[2]
        for name, module in model.get_decoder().named_modules()
        if isinstance(module, nn.Linear)
    }
    if not found:
        raise AlignattError(f"{type(model).__name__} has no linear layers that could be adapted.")
    return sorted(found)


def load_student(location: str, revision: str | None, rank: int) -> Student:
    """Load a model to be taught: in float32 on a CPU, as it is stored on a GPU.

    Matrices are multiplied in bfloat16 where that is fast.

    Raises
    ------
    AlignattError
        If it cannot be loaded, or peft is not installed.
    """
    device = Device.best()
    logging.disable_progress_bar()
    dtype = torch.float32 if device.name == "cpu" else device.torch_dtype
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = AutoTokenizer.from_pretrained(location, revision=revision)
            model = AutoModelForCausalLM.from_pretrained(location, revision=revision, dtype=dtype)
    except (OSError, ValueError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise AlignattError(f"The model '{location}' cannot be loaded: {reason}") from problem
    return Student(model.to(device.name), tokenizer, rank, computes_bfloat16(device.name))
