"""The one place where vLLM is tapped: the queries of chosen attention layers.

vLLM calls ``layer.impl.forward`` of every model's attention inside an operation that its compiler
does not look into. There the queries of a step are copied to a buffer, together with the slots of
the cache to which the step's tokens belong. That is all: no output is touched, nothing is
allocated, and under CUDA graphs the copies are part of the graph.
"""

from typing import Any

from torch import Tensor
from vllm.forward_context import get_forward_context

from alignatt4llm.translators.vllm.rows import StepQueries


def tap(name: str, layer: Any, kept: StepQueries, place: int) -> None:
    """Have a layer's queries kept from now on.

    Parameters
    ----------
    name, layer
        A vLLM ``Attention`` layer and the name it is registered by.
    kept, place
        Where they are kept, and the layer's place there.
    """
    forward = layer.impl.forward

    def tapped(module: Any, query: Tensor, *rest: Any, **options: Any) -> Any:
        mapping = get_forward_context().slot_mapping
        if isinstance(mapping, dict) and name in mapping:
            kept.keep(place, query, mapping[name])
        return forward(module, query, *rest, **options)

    layer.impl.forward = tapped
