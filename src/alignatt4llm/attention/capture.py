"""Capture of queries and keys in transformers models, changing no bit of what they compute.

Transformers routes every model's attention through a table of named functions. An entry of the
same name is put over the model's own one: for the layers that somebody watches it keeps
references to q and k, and then it calls the original with the same arguments.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from alignatt4llm.attention.rows import AttentionForm, attention_rows
from alignatt4llm.errors import AlignattError

Head = tuple[int, int]
"""(layer, head)."""

_watched: WeakKeyDictionary[nn.Module, tuple[int, dict[int, "_Seen"]]] = WeakKeyDictionary()
_observed: set[str] = set()


@dataclass(slots=True)
class _Seen:
    """What one layer's attention was called with in the last forward pass."""

    query: Tensor  # [B, H_q, T, d]
    key: Tensor  # [B, H_kv, L, d]
    form: AttentionForm
    sinks: Tensor | None


def attention_modules(model: PreTrainedModel) -> list[nn.Module]:
    """Return the decoder's attention modules, layer by layer.

    They are found by identity in the text decoder, because audio and vision towers share both
    the attention table and the layer numbering.
    """
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    for name, child in decoder.named_modules():
        if isinstance(child, nn.ModuleList) and name.rpartition(".")[2] == "layers":
            return [layer.get_submodule("self_attn") for layer in child]
    raise AlignattError(
        f"{type(model).__name__} has no decoder layers with a self_attn module; "
        "attention cannot be read from it."
    )


class Capture:
    """Reads the rows of chosen alignment heads while a model runs.

    Parameters
    ----------
    model
        A decoder-only model loaded with sdpa or eager attention.
    heads
        The alignment heads, in the order in which rows are returned.

    Raises
    ------
    AlignattError
        If the model has no such layer or head, or runs another attention implementation.
    """

    def __init__(self, model: PreTrainedModel, heads: Sequence[Head]) -> None:
        self.heads = list(heads)
        modules = attention_modules(model)
        text = model.config.get_text_config()
        _observe(text._attn_implementation)
        for layer, head in self.heads:
            if not (0 <= layer < len(modules) and 0 <= head < text.num_attention_heads):
                raise AlignattError(
                    f"The head set names head ({layer}, {head}), but this model has "
                    f"{len(modules)} layers of {text.num_attention_heads} heads."
                )
        self._modules = {layer: modules[layer] for layer in sorted({layer for layer, _ in heads})}
        self._seen: dict[int, _Seen] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While open, every forward pass leaves its q and k of the chosen layers here."""
        for layer, module in self._modules.items():
            _watched[module] = (layer, self._seen)
        try:
            yield
        finally:
            for module in self._modules.values():
                _watched.pop(module, None)
            self._seen.clear()

    def rows(self, positions: Tensor, columns: Tensor, batch: int = 0) -> Tensor:
        """Return rows of the last forward pass.

        Parameters
        ----------
        positions
            Absolute positions of the wanted queries, all fed in the last pass, shape [T].
        columns
            Absolute positions of the wanted keys, shape [S].
        batch
            Which sequence of the batch.

        Returns
        -------
        Tensor
            Rows over the whole causal context restricted to ``columns``, float32, shape [T, H, S].
            Columns that a sliding window has left behind are 0.
        """
        length = int(positions[-1]) + 1
        out = torch.zeros(len(positions), len(self.heads), len(columns))
        for layer, seen in self._seen.items():
            places = [i for i, (wanted, _) in enumerate(self.heads) if wanted == layer]
            query, key = seen.query[batch], seen.key[batch]
            first_query, first_key = length - query.shape[1], length - key.shape[1]
            rows = attention_rows(
                query[:, positions - first_query],
                key,
                [self.heads[i][1] for i in places],
                positions,
                seen.form,
                first_key=first_key,
                sinks=seen.sinks,
            )  # [h, T, L]
            kept = columns >= first_key
            taken = rows[:, :, columns[kept] - first_key].transpose(0, 1)  # [T, h, S']
            out[:, places] = _scatter(taken, kept)
        return out


def _scatter(taken: Tensor, kept: Tensor) -> Tensor:
    """Put [T, h, S'] into the kept columns of a zero [T, h, S]."""
    full = taken.new_zeros(*taken.shape[:2], len(kept))
    full[:, :, kept] = taken
    return full


def _observe(implementation: str) -> None:
    """Put the observing function over an attention implementation; once is enough."""
    if implementation in _observed:
        return
    if implementation not in ("sdpa", "eager"):
        raise AlignattError(
            f"Attention cannot be read from the '{implementation}' implementation; "
            "load the model with attn_implementation='sdpa'."
        )
    underlying = ALL_ATTENTION_FUNCTIONS.get(implementation)

    def attend(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **options: Any
    ) -> Any:
        if module in _watched:
            layer, seen = _watched[module]
            seen[layer] = _Seen(query, key, _form(query, options), _sinks(module))
        attention = underlying or _eager(module)
        return attention(module, query, key, value, *rest, **options)

    ALL_ATTENTION_FUNCTIONS[implementation] = attend
    _observed.add(implementation)


def _eager(module: nn.Module) -> Callable[..., Any]:
    """The eager function of the model that the module belongs to; it has no common one."""
    function: Callable[..., Any] = vars(sys.modules[type(module).__module__])[
        "eager_attention_forward"
    ]
    return function


def _form(query: Tensor, options: Mapping[str, Any]) -> AttentionForm:
    scale = options.get("scaling")
    return AttentionForm(
        scale=query.shape[-1] ** -0.5 if scale is None else float(scale),
        window=options.get("sliding_window"),
        softcap=options.get("softcap"),
    )


def _sinks(module: nn.Module) -> Tensor | None:
    sinks = getattr(module, "sinks", None)
    return sinks if isinstance(sinks, Tensor) else None
