"""An adapter added to a GGUF file: it computes what the adapted model does."""

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.numpy import load_file, save_file
from tiny_gguf import rewritten, save_gguf

from alignatt4llm.adapt.student import linear_layers
from alignatt4llm.errors import AlignattError, silent
from alignatt4llm.translators.llamacpp.context import LlamaContext
from alignatt4llm.translators.llamacpp.feed import Feed
from alignatt4llm.weights.adapters import Adapter
from alignatt4llm.weights.merged import merged

IDS = [5, 17, 40, 99, 7, 31, 250, 3]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ALIGNATT_CACHE", str(tmp_path / "cache"))


def taught(folder, family):
    """A tiny model, its GGUF file, and an adapter that changes all of its linear layers."""
    own_scale = {"query_pre_attn_scalar": 16} if family == "gemma2" else {}  # else it is folded in
    model, _ = save_gguf(folder / "tiny.gguf", family, **own_scale)
    model.set_attn_implementation("eager")  # the only one that caps Gemma 2's scores
    torch.manual_seed(1)
    settings = LoraConfig(r=4, lora_alpha=8, target_modules=linear_layers(model))
    adapted = get_peft_model(model, settings)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    adapted.save_pretrained(str(folder / "adapter"))
    return adapted, Adapter(folder / "adapter", "tiny", "tiny", "taught", ("en-de",))


def logits(file):
    context = LlamaContext(file, precise=True, context=64)
    feed = Feed(context.stream(), IDS, len(IDS))
    context.run([feed])
    context.close()
    return feed.logits


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen3", "gemma2", "gemma3"])
def test_a_merged_file_computes_what_the_adapted_model_does(tmp_path, family):
    adapted, adapter = taught(tmp_path, family)
    with torch.inference_mode():
        expected = adapted(torch.tensor([IDS])).logits[0].numpy()
        with adapted.disable_adapter():
            plain = adapted(torch.tensor([IDS])).logits[0].numpy()
    found = logits(merged(tmp_path / "tiny.gguf", adapter, silent))
    np.testing.assert_allclose(found, expected, atol=3e-3, rtol=1e-3)
    assert np.abs(expected - plain).max() > 0.1


def test_it_is_made_once_and_anew_when_the_adapter_changes(tmp_path):
    _, adapter = taught(tmp_path, "qwen3")
    told = []
    first = merged(tmp_path / "tiny.gguf", adapter, told.append)
    assert merged(tmp_path / "tiny.gguf", adapter, told.append) == first
    assert len(told) == 1
    before = logits(first)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({name: 2 * weight for name, weight in load_file(file).items()}, file)
    assert np.abs(logits(merged(tmp_path / "tiny.gguf", adapter, told.append)) - before).max() > 0.1
    assert len(told) == 2


def test_a_model_in_several_files_is_merged_into_one(tmp_path):
    _, adapter = taught(tmp_path, "qwen3")
    whole = logits(merged(tmp_path / "tiny.gguf", adapter, silent))
    rewritten(tmp_path / "tiny.gguf", tmp_path / "parts.gguf", split_max_tensors=12)
    (first,) = tmp_path.glob("parts-00001-of-*.gguf")
    np.testing.assert_array_equal(logits(merged(first, adapter, silent)), whole)


def drop(weights):
    weights.pop(next(name for name in weights if "lora_B" in name))


def widen(weights):
    name = next(name for name in weights if "lora_B" in name)
    weights[name] = np.concatenate([weights[name]] * 2)


def rename(weights):
    for name in [name for name in weights if "layers.0" in name]:
        weights[name.replace("layers.0", "layers.77")] = weights.pop(name)


@pytest.mark.parametrize("damage", [drop, widen, rename])
def test_an_adapter_that_does_not_fit_is_refused(tmp_path, damage):
    _, adapter = taught(tmp_path, "qwen3")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    weights = load_file(file)
    damage(weights)
    save_file(weights, file)
    with pytest.raises(AlignattError, match="cannot be applied to this model"):
        merged(tmp_path / "tiny.gguf", adapter, silent)


def test_an_adapter_without_its_weights_is_refused(tmp_path):
    _, adapter = taught(tmp_path, "qwen3")
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(AlignattError, match="cannot be applied to this model"):
        merged(tmp_path / "tiny.gguf", adapter, silent)
