"""A model's output layer on a CPU: candidates found in int8, their logits computed exactly.

Decoding a token reads every weight once, and in a small model most of them are the vocabulary's.
In int8 they are half as many bytes.
"""

import torch
from torch import Tensor, nn

FEW = 4
"""Positions up to which this is faster than the layer itself."""
CANDIDATES = 64
"""Tokens of each position whose logits are exact; the others' are near, and below the best."""
_ROWS = 1 << 14


class VocabularyHead(nn.Module):
    """Stands in for the output layer; greedy choices are the layer's own.

    Parameters
    ----------
    head
        The layer, without bias; its weight [V, D] is kept, and a copy in int8 beside it.
    """

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        self._head = head
        parts = [_quantised(rows) for rows in torch.split(head.weight.detach(), _ROWS)]
        self._near = torch.cat([near for near, _ in parts])
        self._scales = torch.cat([scale for _, scale in parts])

    @staticmethod
    def suits(head: nn.Module) -> bool:
        """Whether a layer can be replaced: bfloat16 on a CPU, no bias, a large vocabulary."""
        return (
            isinstance(head, nn.Linear)
            and head.bias is None
            and head.weight.device.type == "cpu"
            and head.weight.dtype == torch.bfloat16
            and head.weight.shape[0] > 1000 * CANDIDATES
            and hasattr(torch, "_weight_int8pack_mm")
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Return logits, shape [1, N, V], for hidden states [1, N, D]."""
        if hidden.shape[1] > FEW:
            logits: Tensor = self._head(hidden)
            return logits
        states = hidden[0]
        near = torch._weight_int8pack_mm(states, self._near, self._scales)  # [N, V]
        found = near.topk(CANDIDATES).indices  # [N, C]
        exact = (self._head.weight[found].float() @ states.float()[:, :, None])[:, :, 0]
        exact = exact.to(near.dtype)
        below = torch.minimum(near, exact.amax(-1, keepdim=True))
        return below.scatter(1, found, exact)[None]


def _quantised(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return int8 rows and the bfloat16 scale of each."""
    scale = (rows.abs().amax(1).float() / 127).clamp_min(1e-12).to(torch.bfloat16)
    near = (rows.float() / scale.float()[:, None]).round().clamp(-127, 127)
    return near.to(torch.int8), scale
