"""Tiny random checkpoints of several model families, with a tokeniser trained on the spot."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    Gemma4ForCausalLM,
    Gemma4TextConfig,
    GptOssConfig,
    GptOssForCausalLM,
    HunYuanDenseV1Config,
    HunYuanDenseV1ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

LAYERS, HEADS, VOCABULARY, WINDOW = 4, 4, 600, 8
EVERY_HEAD = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]

SENTENCES = (
    "The first train leaves the station at seven in the morning, and I am on it.",
    "We found that the new method is faster — but it needs more memory.",
    "Der erste Zug verlässt den Bahnhof um sieben Uhr morgens.",
    "Wir haben festgestellt, dass die neue Methode schneller ist.",
    "第一班火车早上七点离开车站。",
    "我们发现新方法更快，但需要更多内存。",
    "Hello 🙂 world 🚆\n",
)

_COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
    "initializer_range": 0.3,
}
_MIXED = {
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention"] * (LAYERS // 2),
}

FAMILIES = {
    "llama": (LlamaForCausalLM, LlamaConfig, {}),
    "mistral": (MistralForCausalLM, MistralConfig, {"sliding_window": WINDOW}),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config, {}),
    "hunyuan": (HunYuanDenseV1ForCausalLM, HunYuanDenseV1Config, {}),
    "gemma2": (
        Gemma2ForCausalLM,
        Gemma2Config,
        {**_MIXED, "query_pre_attn_scalar": 24, "attn_logit_softcapping": 2.0},
    ),
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig, {**_MIXED, "query_pre_attn_scalar": 24}),
    "gemma4": (
        Gemma4ForCausalLM,
        Gemma4TextConfig,
        {
            **_MIXED,
            "global_head_dim": 32,
            "num_kv_shared_layers": 2,
            "hidden_size_per_layer_input": 8,
            "vocab_size_per_layer_input": VOCABULARY,
        },
    ),
    "gpt_oss": (
        GptOssForCausalLM,
        GptOssConfig,
        {**_MIXED, "num_local_experts": 2, "num_experts_per_tok": 1},
    ),
}


def tiny_model(family: str, **changes: object) -> PreTrainedModel:
    """A random model whose attention and logits are far from uniform."""
    model_class, config_class, options = FAMILIES[family]
    torch.manual_seed(7)
    model = model_class(config_class(**{**_COMMON, **options, **changes}))
    for name, parameter in model.named_parameters():
        if name.endswith("sinks"):
            torch.nn.init.normal_(parameter)
    return model.eval()


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE as Qwen and Llama 3 have it; rare characters are split over tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return _wrapped(tokenizer)


def byte_fallback_tokenizer() -> PreTrainedTokenizerFast:
    """Metaspace pieces with single bytes for unknown characters, as Gemma has it."""
    pieces = ["<s>", "</s>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    letters = sorted({*"".join(SENTENCES).replace("🙂", "").replace(" ", "▁")} - {"\n"})
    vocabulary = {piece: index for index, piece in enumerate([*pieces, *letters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
        ]
    )
    return _wrapped(tokenizer)


def _wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


def save_checkpoint(folder: Path, family: str, **changes: object) -> Path:
    tiny_model(family, **changes).save_pretrained(folder)
    byte_level_tokenizer().save_pretrained(folder)
    return folder
