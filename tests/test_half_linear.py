"""Linear layers that hold 16 bits and compute in float32."""

import pytest
import torch
from tiny import FAMILIES, save_checkpoint, tiny_model
from torch import nn
from transformers import AutoModelForCausalLM

from alignatt4llm.attention import half_linear
from alignatt4llm.attention.half_linear import HalfLinear, halve
from alignatt4llm.device import Device
from alignatt4llm.translators.transformers import TransformersTranslator

pytestmark = pytest.mark.skipif(
    "fbgemm" not in torch.backends.quantized.supported_engines, reason="torch is without FBGEMM"
)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("tokens", [1, 5, 40])
def test_it_is_the_layer_computed_in_float32(dtype, bias, tokens):
    torch.manual_seed(0)
    layer = nn.Linear(72, 130, bias=bias).to(dtype)
    states = torch.randn(1, tokens, 72)
    expected = layer.float()(states)
    torch.testing.assert_close(HalfLinear(layer)(states), expected, rtol=1e-4, atol=1e-5)


def test_by_hand():
    layer = nn.Linear(2, 2).to(torch.bfloat16)
    layer.weight.data = torch.tensor([[1.0, 2.0], [0.5, -4.0]], dtype=torch.bfloat16)
    layer.bias.data = torch.tensor([0.25, 0.0], dtype=torch.bfloat16)
    out = HalfLinear(layer)(torch.tensor([[3.0, 0.1]]))
    torch.testing.assert_close(out, torch.tensor([[3.45, 1.1]]))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_halved_model_is_the_model_in_float32(family):
    ids = torch.tensor([[5, 9, 2, 7, 30, 4]])
    stored = tiny_model(family).to(torch.bfloat16).eval()
    wide = tiny_model(family).to(torch.bfloat16).float().eval()
    halve(stored)
    assert not [module for module in stored.modules() if type(module) is nn.Linear]
    with torch.inference_mode():
        torch.testing.assert_close(stored(ids).logits, wide(ids).logits, rtol=1e-3, atol=1e-4)


def test_a_model_stored_in_float32_loses_nothing():
    model = tiny_model("gemma3").eval()
    halve(model)
    assert any(type(module) is nn.Linear for module in model.modules())


def test_a_checkpoint_of_16_bits_is_loaded_so(tmp_path):
    folder = save_checkpoint(tmp_path, "gemma3")
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    device = Device("cpu", "float32")
    model = TransformersTranslator(folder, threads=1, device=device).model
    assert model.dtype == torch.float32
    assert any(isinstance(module, HalfLinear) for module in model.modules())


def test_it_is_for_cpus_that_compute_in_float32():
    assert half_linear.suits(Device("cpu", "float32"))
    assert not half_linear.suits(Device("cpu"))
    assert not half_linear.suits(Device("cuda", "float32"))
