"""Many streams in one forward pass: a model's attention, its keys and values, and its rows.

transformers routes every model's attention through a table of named functions. The one entered
here takes a pass in which the new tokens of several streams stand one after the other: linear
layers see them together, attention looks at each stream's own keys. Reading rows happens beside
the computation and changes no bit of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from threading import local
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

from alignatt4llm.attention.rows import AttentionForm, attend, attention_rows
from alignatt4llm.attention.vocabulary_head import VocabularyHead
from alignatt4llm.errors import AlignattError

IMPLEMENTATION = "alignatt"
"""The name of this attention in the table of transformers."""

Head = tuple[int, int]
"""(layer, head)."""

_current = local()


class Stream:
    """What one stream keeps between passes: its tokens, and their keys and values layer by layer.

    Parameters
    ----------
    heads
        The alignment heads whose rows are read, in the order in which rows are returned.

    Attributes
    ----------
    ids
        The tokens whose keys and values are held.
    """

    def __init__(self, heads: Sequence[Head] = ()) -> None:
        self.heads = list(heads)
        self.ids: list[int] = []
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def keep(self, count: int) -> None:
        """Forget all but the first ``count`` tokens."""
        del self.ids[count:]

    def clear(self) -> None:
        """Free everything."""
        self.ids, self._layers = [], {}

    def begin(self, other: "Stream") -> None:
        """Copy the tokens of another stream, their keys and values."""
        self.ids = list(other.ids)
        self._layers = {
            layer: (keys.clone(), values.clone()) for layer, (keys, values) in other._layers.items()
        }

    def append(self, layer: int, key: Tensor, value: Tensor) -> None:
        """Put keys and values, each [H_kv, T, d], behind the tokens held."""
        begin, end = len(self.ids), len(self.ids) + key.shape[1]
        held = self._layers.get(layer)
        if held is None or held[0].shape[1] < end:
            held = _grown(held, key, end), _grown(held and held[::-1], value, end)
            self._layers[layer] = held
        held[0][:, begin:end] = key
        held[1][:, begin:end] = value

    def seen(self, layer: int, length: int) -> tuple[Tensor, Tensor]:
        """Return the first ``length`` keys and values of a layer, each [H_kv, length, d]."""
        keys, values = self._layers[layer]
        return keys[:, :length], values[:, :length]


def _grown(held: tuple[Tensor, Tensor] | None, like: Tensor, length: int) -> Tensor:
    """Return room for twice ``length`` positions, with what was held copied in."""
    room = like.new_zeros(like.shape[0], 2 * length, like.shape[2])
    if held is not None:
        room[:, : held[0].shape[1]] = held[0]
    return room


@dataclass(slots=True)
class Feed:
    """What one stream feeds in a pass, and what comes out.

    Attributes
    ----------
    stream
        The stream; its tokens are followed by the new ones.
    ids
        The new tokens, at least one.
    wanted
        For how many of the last new tokens rows and logits are wanted, N.
    columns
        Positions of the keys over which rows are wanted, shape [S]; none for no rows.
    needed
        Given the rows, for how many of the N positions, from the first, logits are needed after
        all; they cost more than the rest of the position.
    logits
        Shape [N, vocabulary], or fewer where fewer are needed.
    rows
        Rows over the whole causal context restricted to ``columns``, float32, shape [N, H, S].
    """

    stream: Stream
    ids: Sequence[int]
    wanted: int = 1
    columns: Tensor | None = None
    needed: Callable[[Tensor], int] | None = None
    logits: Tensor = field(init=False)
    rows: Tensor = field(init=False)


class PackedModel:
    """A decoder-only model that runs the new tokens of several streams in one pass.

    Parameters
    ----------
    model
        Any causal language model of transformers; its attention implementation is replaced.

    Raises
    ------
    AlignattError
        If its attention cannot be reached.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self._layers = {module: n for n, module in enumerate(attention_modules(model))}
        model.set_attn_implementation(IMPLEMENTATION)
        model.get_decoder().register_forward_hook(_select)
        head = model.get_output_embeddings()
        if VocabularyHead.suits(head):
            model.set_output_embeddings(VocabularyHead(head))

    def check(self, heads: Sequence[Head]) -> None:
        """Raise AlignattError if the model has no such layer or head."""
        layers, count = len(self._layers), self.model.config.get_text_config().num_attention_heads
        for layer, head in heads:
            if not (0 <= layer < layers and 0 <= head < count):
                raise AlignattError(
                    f"The head set names head ({layer}, {head}), but this model has {layers} "
                    f"layers of {count} heads."
                )

    @torch.inference_mode()
    def run(self, feeds: Sequence[Feed]) -> None:
        """Run one pass; fills every feed's logits and rows and extends its stream."""
        device = self.model.device
        ids = [token for feed in feeds for token in feed.ids]
        positions = [len(feed.stream.ids) + n for feed in feeds for n in range(len(feed.ids))]
        _current.pass_ = pass_ = _Pass(feeds, self._layers)
        try:
            logits = self.model(
                input_ids=torch.tensor([ids], device=device),
                position_ids=torch.tensor([positions], device=device),
                past_key_values=pass_,
                use_cache=True,
            ).logits[0]
        finally:
            _current.pass_ = None
        for feed, part in zip(feeds, logits.split(pass_.selected), strict=True):
            feed.logits = part
            feed.stream.ids.extend(feed.ids)


class _Pass:
    """The pass that is running: which token belongs to whom.

    It is also what the model takes for its cache.
    """

    def __init__(self, feeds: Sequence[Feed], layers: dict[nn.Module, int]) -> None:
        self.selected: list[int] = []
        self._layers = layers
        ends = [0, *accumulate(len(feed.ids) for feed in feeds)]
        self._parts = list(zip(feeds, ends, ends[1:], strict=False))
        self._owners: dict[int, int] = {}
        for feed in feeds:
            if feed.columns is not None:
                size = (feed.wanted, len(feed.stream.heads), len(feed.columns))
                feed.rows = torch.zeros(size, device=feed.columns.device)

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Take the new keys and values of a layer, each [1, H_kv, ΣT, d].

        Attention finds the whole in the streams.
        """
        for feed, begin, end in self._parts:
            feed.stream.append(
                layer_idx, key_states[0, :, begin:end], value_states[0, :, begin:end]
            )
        self._owners[id(key_states)] = layer_idx  # layers that share keys are handed their owner's
        return key_states, value_states

    def attend(self, module: nn.Module, query: Tensor, key: Tensor, form: AttentionForm) -> Tensor:
        """Return what every token [1, H_q, ΣT, d] sees of its own stream, [1, ΣT, H_q, d]."""
        owner, layer = self._owners[id(key)], self._layers.get(module)
        seen = []
        for feed, begin, end in self._parts:
            keys, values = feed.stream.seen(owner, len(feed.stream.ids) + end - begin)
            q = query[0, :, begin:end]  # [H_q, T, d]
            seen.append(attend(q, keys, values, form))
            if feed.columns is not None:
                _read(feed, layer, q, keys, form)
        return torch.cat(seen, dim=1).transpose(0, 1)[None]

    def select(self, hidden: Tensor) -> Tensor:
        """Return the hidden states [1, ΣT, D] from which logits are needed."""
        places: list[int] = []
        for feed, _, end in self._parts:
            count = feed.needed(feed.rows) if feed.needed else feed.wanted
            self.selected.append(count)
            places.extend(range(end - feed.wanted, end - feed.wanted + count))
        return hidden[:, places]


def _read(feed: Feed, layer: int | None, query: Tensor, keys: Tensor, form: AttentionForm) -> None:
    """Put the rows of a layer's alignment heads in their places."""
    places = [n for n, head in enumerate(feed.stream.heads) if head[0] == layer]
    if places:
        heads = [feed.stream.heads[n][1] for n in places]
        rows = attention_rows(query[:, -feed.wanted :], keys, heads, form)  # [h, N, L]
        feed.rows[:, places] = rows[:, :, feed.columns].transpose(0, 1)


def _select(_module: nn.Module, _inputs: Any, output: Any) -> Any:
    """Hand on only what the running pass needs logits of, between the decoder and its head."""
    output.last_hidden_state = _current.pass_.select(output.last_hidden_state)
    return output


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of the running pass, under the interface of transformers."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    form = AttentionForm(scale, sliding_window, softcap, s_aux)
    return _current.pass_.attend(module, query, key, form), None


AttentionInterface.register(IMPLEMENTATION, _attention)


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
