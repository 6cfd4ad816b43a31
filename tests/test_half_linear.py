"""Linear layers that hold 16 bits and compute in float32."""

import pytest
import torch
from tiny import FAMILIES, save_checkpoint, tiny_model
from torch import nn
from transformers import AutoModelForCausalLM

from alignatt4llm.attention.half_linear import FBGEMM, HalfLinear, widen
from alignatt4llm.machine.device import Device
from alignatt4llm.translators.transformers import TransformersTranslator

pytestmark = pytest.mark.skipif(not FBGEMM, reason="torch is without FBGEMM")
CPU = Device("cpu", "float32")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("tokens", [1, 5, 40])
def test_it_is_the_layer_computed_in_float32(dtype, bias, tokens):
    torch.manual_seed(0)
    layer = nn.Linear(72, 130, bias=bias).to(dtype)
    states = torch.randn(1, tokens, 72)
    found = HalfLinear(layer)(states)
    torch.testing.assert_close(found, layer.float()(states), rtol=1e-4, atol=1e-5)


def test_by_hand():
    layer = nn.Linear(2, 2).to(torch.bfloat16)
    layer.weight.data = torch.tensor([[1.0, 2.0], [0.5, -4.0]], dtype=torch.bfloat16)
    layer.bias.data = torch.tensor([0.25, 0.0], dtype=torch.bfloat16)
    out = HalfLinear(layer)(torch.tensor([[3.0, 0.1]]))
    torch.testing.assert_close(out, torch.tensor([[3.45, 1.1]]))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_widened_model_is_the_model_in_float32(family):
    ids = torch.tensor([[5, 9, 2, 7, 30, 4]])
    stored = tiny_model(family).to(torch.bfloat16).eval()
    wide = tiny_model(family).to(torch.bfloat16).float().eval()
    widen(stored, CPU)
    assert not [module for module in stored.modules() if type(module) is nn.Linear]
    with torch.inference_mode():
        torch.testing.assert_close(stored(ids).logits, wide(ids).logits, rtol=1e-3, atol=1e-4)


def test_a_model_stored_in_float32_loses_nothing():
    model = tiny_model("gemma3").eval()
    widen(model, CPU)
    assert not any(isinstance(module, HalfLinear) for module in model.modules())


def test_other_devices_get_plain_float32():
    model = tiny_model("gemma3").to(torch.bfloat16)
    widen(model, Device("cuda", "float32"))
    assert model.dtype == torch.float32
    assert not any(isinstance(module, HalfLinear) for module in model.modules())


def test_a_checkpoint_of_16_bits_is_loaded_so(tmp_path):
    folder = save_checkpoint(tmp_path, "gemma3")
    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    model = TransformersTranslator(folder, threads=1, device=CPU).model
    assert model.dtype == torch.float32
    assert any(isinstance(module, HalfLinear) for module in model.modules())
