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
        After norm and rotary embedding, shape [1 + tokens, H_q, d]; the first is NaN, no token's.
    slots
        Slot of each, shape [1 + tokens]; -1 for the first, padding and beyond the step's tokens.
    """

    def __init__(self, name: str, layer: Any, tokens: int, device: torch.device) -> None:
        self.queries = torch.zeros(
            1 + tokens, layer.num_heads, layer.head_size, dtype=layer.dtype, device=device
        )
        self.queries[0] = torch.nan
        self.slots = torch.full((1 + tokens,), NOWHERE, dtype=torch.long, device=device)
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
        self.slots[1 : 1 + count].copy_(slots[:count])
        self.queries[1 : 1 + count].copy_(query[:count])
