"""Linear layers on CPUs without bfloat16: weights of 16 bits, computed with in float32.

Decoding a token reads every weight once, so half the bytes are half the time. FBGEMM, which comes
with torch on x86, widens them as it reads them.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from alignatt4llm.machine.device import Device

FBGEMM = "fbgemm" in torch.backends.quantized.supported_engines
"""Whether torch has it here."""


class HalfLinear(nn.Module):
    """Stands in for a linear layer whose weights are in bfloat16 or float16.

    They are kept in float16, which has more digits than bfloat16 but a smaller range: what is
    below 6e-8 becomes 0, what is above 65504 becomes that. Products and sums are in float32.

    Parameters
    ----------
    layer
        The layer, weight [D_out, D_in].

    Attributes
    ----------
    weight_bytes
        Bytes of its weight.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        bias = None if layer.bias is None else layer.bias.detach().float()
        self.weight_bytes = 2 * layer.weight.numel()
        self._packed: Any = torch.ops.quantized.linear_prepack_fp16(
            layer.weight.detach().float(), bias
        )

    def forward(self, states: Tensor) -> Tensor:
        """Return float32 [..., D_out] for float32 [..., D_in]."""
        out: Tensor = torch.ops.quantized.linear_dynamic_fp16(states, self._packed)
        return out


def widen(model: PreTrainedModel, device: Device) -> None:
    """Let a model compute in float32; weights of 16 bits stay so in linear layers, with FBGEMM.

    Parameters
    ----------
    model
        The model as it is stored.
    device
        Where it will run.
    """
    if device.name == "cpu" and FBGEMM and model.dtype in (torch.bfloat16, torch.float16):
        # the layers themselves are not in this list, so each is freed as it is replaced
        for module in [part for part in model.modules() if type(part) is not nn.Linear]:
            for name, child in module.named_children():
                if type(child) is nn.Linear:
                    setattr(module, name, HalfLinear(child))
    model.float()
