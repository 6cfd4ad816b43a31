"""F32 GGUF files of the tiny random checkpoints: llama.cpp computes the same from them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import (
    MODEL_ARCH,
    MODEL_ARCH_NAMES,
    GGUFReader,
    GGUFWriter,
    LlamaFileType,
    RopeScalingType,
    TokenType,
    get_tensor_name_map,
)
from gguf.quants import dequantize
from tiny import byte_level_tokenizer, tiny_model
from transformers import GptOssConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

FAMILIES = {
    "llama": MODEL_ARCH.LLAMA,
    "mistral": MODEL_ARCH.LLAMA,
    "qwen3": MODEL_ARCH.QWEN3,
    "hunyuan": MODEL_ARCH.HUNYUAN_DENSE,
    "gemma2": MODEL_ARCH.GEMMA2,
    "gemma3": MODEL_ARCH.GEMMA3,
    "gemma4": MODEL_ARCH.GEMMA4,
    "gpt_oss": MODEL_ARCH.GPT_OSS,
}
_ADAPTED: dict[str, dict[str, Any]] = {
    "mistral": {"sliding_window": None},
    "gpt_oss": {"rope_parameters": {**GptOssConfig().rope_parameters, "truncate": True}},
}
"""llama.cpp has no window for Mistral and rounds YaRN's range to whole dimensions."""

_ROPES = ("default", "yarn", "proportional")
_NUMBERS = {
    "vocab_size": "add_vocab_size",
    "max_position_embeddings": "add_context_length",
    "hidden_size": "add_embedding_length",
    "num_hidden_layers": "add_block_count",
    "intermediate_size": "add_feed_forward_length",
    "num_attention_heads": "add_head_count",
    "num_key_value_heads": "add_head_count_kv",
    "rms_norm_eps": "add_layer_norm_rms_eps",
    "sliding_window": "add_sliding_window",
    "attn_logit_softcapping": "add_attn_logit_softcapping",
    "num_kv_shared_layers": "add_shared_kv_layers",
    "hidden_size_per_layer_input": "add_embedding_length_per_layer_input",
    "num_local_experts": "add_expert_count",
    "num_experts_per_tok": "add_expert_used_count",
}
"""Fields of a config, and what writes them where they are set."""


def save_gguf(
    file: Path, family: str, tokenizer: PreTrainedTokenizerFast | None = None, **changes: object
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Write a tiny checkpoint as GGUF; return the same model and tokeniser for transformers.

    Parameters
    ----------
    file
        Where to write.
    family
        A key of ``FAMILIES``.
    tokenizer
        One of `tiny`'s; the byte-level one if not given.
    changes
        Fields of the model's config, as in `tiny.tiny_model`.

    Raises
    ------
    ValueError
        If llama.cpp cannot compute the same.
    """
    model = tiny_model(family, **{**_ADAPTED.get(family, {}), **changes})
    _refuse(family, model.config)
    _open_gates(model)
    tokenizer = tokenizer or byte_level_tokenizer()
    writer = GGUFWriter(file, MODEL_ARCH_NAMES[FAMILIES[family]])
    writer.add_file_type(LlamaFileType.ALL_F32)
    _write_numbers(writer, model.config)
    _write_layers(writer, model)
    _write_rope(writer, model.config.rope_parameters)
    _write_vocabulary(writer, tokenizer, model.config.vocab_size)
    _write_specials(writer, tokenizer)
    for name, weight in _tensors(family, model):
        writer.add_tensor(name, np.ascontiguousarray(weight.numpy(), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model, tokenizer


def _refuse(family: str, config: PreTrainedConfig) -> None:
    if FAMILIES[family] is MODEL_ARCH.LLAMA and getattr(config, "sliding_window", None):
        raise ValueError(f"llama.cpp has no sliding window for {family}.")
    if (kind := _full(config.rope_parameters)["rope_type"]) not in _ROPES:
        raise ValueError(f"Positions of type {kind!r} are not written here.")


def _open_gates(model: PreTrainedModel) -> None:
    """Take GELU's gates beyond its bend, which llama.cpp looks up in a table of half precision.

    The norm after it takes the scale out again.
    """
    if "gelu" in getattr(model.config, "hidden_activation", ""):
        for name, weight in model.named_parameters():
            if name.endswith(("gate_proj.weight", "input_gate.weight")):
                weight.data *= 2**12


def _write_numbers(writer: GGUFWriter, config: PreTrainedConfig) -> None:
    for field, method in _NUMBERS.items():
        if (value := getattr(config, field, None)) is not None:
            getattr(writer, method)(value)
    writer.add_final_logit_softcapping(getattr(config, "final_logit_softcapping", None) or 0.0)
    if hasattr(config, "num_local_experts"):
        writer.add_expert_feed_forward_length(config.intermediate_size)


def _write_layers(writer: GGUFWriter, model: PreTrainedModel) -> None:
    """Write which layers have a window, and the width of a head in either kind of layer."""
    layers = model.model.layers
    kinds = getattr(model.config, "layer_types", None) or ["full_attention"] * len(layers)
    widths = {kind: layer.self_attn.head_dim for kind, layer in zip(kinds, layers, strict=True)}
    windowed, full = (
        widths.get(kind) or max(widths.values()) for kind in ("sliding_attention", "full_attention")
    )
    writer.add_key_length(full)
    writer.add_value_length(full)
    writer.add_rope_dimension_count(full)
    writer.add_key_length_swa(windowed)
    writer.add_value_length_swa(windowed)
    writer.add_rope_dimension_count_swa(windowed)
    if "sliding_attention" in kinds:
        writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in kinds])


def _write_rope(writer: GGUFWriter, parameters: dict[str, Any]) -> None:
    full = _full(parameters)
    windowed = parameters.get("sliding_attention", full)
    writer.add_rope_freq_base(full["rope_theta"])
    writer.add_rope_freq_base_swa(windowed["rope_theta"])
    if full["rope_type"] == "yarn":
        writer.add_rope_scaling_type(RopeScalingType.YARN)
        writer.add_rope_scaling_factor(full["factor"])
        writer.add_rope_scaling_orig_ctx_len(full["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(full["beta_fast"])
        writer.add_rope_scaling_yarn_beta_slow(full["beta_slow"])


def _full(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what holds for layers without a window."""
    return parameters.get("full_attention", parameters)


def _write_vocabulary(writer: GGUFWriter, tokenizer: PreTrainedTokenizerFast, size: int) -> None:
    """Write ``size`` tokens: the tokeniser's, then such that say nothing."""
    bpe = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    tokens = [tokenizer.convert_ids_to_tokens(token) or f"[PAD{token}]" for token in range(size)]
    writer.add_tokenizer_model("llama" if bpe["byte_fallback"] else "gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([_kind(tokenizer, token) for token in range(size)])
    if bpe["byte_fallback"]:
        ranks = {"".join(merge): rank for rank, merge in enumerate(bpe["merges"])}
        writer.add_token_scores([-float(ranks.get(token, len(ranks))) for token in tokens])
        writer.add_add_space_prefix(False)
    else:
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_merges([" ".join(merge) for merge in bpe["merges"]])


def _kind(tokenizer: PreTrainedTokenizerFast, token: int) -> TokenType:
    piece = tokenizer.convert_ids_to_tokens(token)
    if piece is None:
        return TokenType.UNUSED
    if token in tokenizer.added_tokens_decoder:
        special = tokenizer.added_tokens_decoder[token].special
        return TokenType.CONTROL if special else TokenType.USER_DEFINED
    return TokenType.BYTE if piece.startswith("<0x") else TokenType.NORMAL


def _write_specials(writer: GGUFWriter, tokenizer: PreTrainedTokenizerFast) -> None:
    for name in ("bos", "eos", "pad"):
        if (token := getattr(tokenizer, f"{name}_token_id")) is not None:
            getattr(writer, f"add_{name}_token_id")(token)
    writer.add_add_bos_token(tokenizer("").input_ids == [tokenizer.bos_token_id])
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _tensors(family: str, model: PreTrainedModel) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield names and weights as llama.cpp has them."""
    config, names = model.config, get_tensor_name_map(FAMILIES[family], len(model.model.layers))
    for name, weight in _split_experts(model.state_dict()):
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        plain = name.removesuffix(".weight").removesuffix(".bias")
        ending = ".bias" if name.endswith(".bias") else ".weight"
        yield names.get_name(plain) + ending, _as_computed(family, config, plain, weight)
    if family == "gemma4":
        yield "rope_freqs.weight", _unturned(model)


def _split_experts(weights: dict[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    """Part gate from up, which alternate in gpt-oss, and turn its experts' matrices round."""
    for name, weight in weights.items():
        if "experts" not in name:
            yield name, weight
            continue
        bias = name.endswith("_bias")
        whole = weight if bias else weight.transpose(1, 2)
        plain, ending = name.removesuffix("_bias"), ".bias" if bias else ".weight"
        if "gate_up_proj" not in name:
            yield plain + ending, whole
            continue
        yield plain.replace("gate_up", "gate") + ending, whole[:, ::2]
        yield plain.replace("gate_up", "up") + ending, whole[:, 1::2]


def _as_computed(
    family: str, config: PreTrainedConfig, name: str, weight: torch.Tensor
) -> torch.Tensor:
    """Put into a weight what transformers computes and llama.cpp does not."""
    if family in ("gemma2", "gemma3") and name.endswith("norm"):
        weight = weight + 1
    if FAMILIES[family] is MODEL_ARCH.LLAMA and name.endswith(("q_proj", "k_proj")):
        halves = weight.reshape(-1, 2, config.head_dim // 2, weight.shape[-1])
        weight = halves.transpose(1, 2).reshape(weight.shape)
    if name.endswith({"gemma2": "q_proj", "gemma3": "q_norm"}.get(family, "?")):
        weight = weight * (config.head_dim / config.query_pre_attn_scalar) ** 0.5
    return weight


def _unturned(model: PreTrainedModel) -> torch.Tensor:
    """Return the divisors of Gemma 4's frequencies: most dimensions of full layers do not turn."""
    rope = _full(model.config.rope_parameters)
    half = max(layer.self_attn.head_dim for layer in model.model.layers) // 2
    turning = int(half * rope["partial_rotary_factor"])
    return torch.tensor([1.0] * turning + [1e30] * (half - turning))


def rewritten(source: str | Path, target: Path, change: Any = None, **options: Any) -> None:
    """Write a GGUF file anew, its weights changed; ``options`` go to the writer."""
    reader = GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = GGUFWriter(target, architecture, **options)
    for field in reader.fields.values():
        if not field.name.startswith(("GGUF.", "general.architecture")):
            inner = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(field.name, field.contents(), field.types[0], inner)
    for tensor in reader.tensors:
        if change:
            writer.add_tensor(tensor.name, change(dequantize(tensor.data, tensor.tensor_type)))
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def widened(source: str | Path, target: Path) -> Path:
    """Write a GGUF file's weights in F32, rounded to bfloat16 as converted models have them."""
    if not target.exists():
        rewritten(source, target, _rounded)
    return target


def _rounded(weight: Any) -> Any:
    return torch.from_numpy(weight.astype(np.float32)).bfloat16().float().numpy()
