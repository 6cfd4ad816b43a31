"""The one place where vLLM is tapped: the queries of chosen attention layers.

vLLM calls ``layer.impl.forward`` of every model's attention inside an operation that its compiler
does not look into. There the queries of a step are copied to a buffer, together with the slots of
the cache to which the step's tokens belong. That is all: no output is touched, nothing is
allocated, and under CUDA graphs the copies are part of the graph.
"""

from typing import Any

import torch
from torch import Tensor
from vllm.forward_context import get_forward_context

NOWHERE = -1
"""The slot of padding."""


class QueryTap:
    """Queries of one layer as they were in the last step.

    Parameters
    ----------
    name, layer
        A vLLM ``Attention`` layer and the name it is registered by.
    tokens
        Most tokens in a step, padding included.

    Attributes
    ----------
    queries
        After norm and rotary embedding, shape [tokens, H_q, d].
    slots
        Slot of each, shape [tokens]; -1 for padding and beyond the step's tokens.
    """

    def __init__(self, name: str, layer: Any, tokens: int, device: torch.device) -> None:
        self.queries = torch.zeros(
            tokens, layer.num_heads, layer.head_size, dtype=layer.dtype, device=device
        )
        self.slots = torch.full((tokens,), NOWHERE, dtype=torch.long, device=device)
        forward = layer.impl.forward

        def tapped(module: Any, query: Tensor, *rest: Any, **options: Any) -> Any:
            mapping = get_forward_context().slot_mapping
            if isinstance(mapping, dict) and name in mapping:
                self.keep(query, mapping[name])
            return forward(module, query, *rest, **options)

        layer.impl.forward = tapped

    def keep(self, query: Tensor, slots: Tensor) -> None:
        """Copy a step's queries [T, H_q, d] and slots [T'], of which the shorter counts."""
        count = min(len(query), len(slots))
        self.slots.fill_(NOWHERE)
        self.slots[:count].copy_(slots[:count])
        self.queries[:count].copy_(query[:count])

    def at(self, slots: Tensor, tokens: int, heads: Tensor) -> Tensor:
        """Return the queries of some heads at some slots; NaN where the step had none.

        Parameters
        ----------
        slots
            Shape [R, T].
        tokens
            How many tokens the step had, padding apart.
        heads
            Query heads, shape [h].

        Returns
        -------
        Tensor
            Shape [R, T, h, d].
        """
        same = slots[..., None] == self.slots[:tokens]
        index = same.to(torch.uint8).argmax(-1)
        absent = self.slots[index] != slots
        return self.queries[index[..., None], heads].masked_fill_(
            absent[..., None, None], torch.nan
        )
