"""Tiny random speech models of real architectures, saved as a hub would have them."""

import base64
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mistral_common.tokens.tokenizers.base import SpecialTokens
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    Gemma4AudioFeatureExtractor,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    GemmaTokenizer,
    GenerationConfig,
    Qwen2Tokenizer,
    Qwen3ASRConfig,
    Qwen3ASRFeatureExtractor,
    Qwen3ASRForConditionalGeneration,
    Qwen3ASRForTokenClassification,
    Qwen3ASRProcessor,
    VoxtralRealtimeConfig,
    VoxtralRealtimeFeatureExtractor,
    VoxtralRealtimeForConditionalGeneration,
    VoxtralRealtimeProcessor,
)
from transformers.tokenization_mistral_common import MistralCommonBackend

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.events import SourceWord
from alignatt4llm.text.languages import language

Lesson = tuple[np.ndarray, list[SourceWord]]

QWEN_SPECIAL = {
    "eos_token": "<|im_end|>",
    "pad_token": "<|endoftext|>",
    "audio_token": "<|audio_pad|>",
    "audio_bos_token": "<|audio_start|>",
    "audio_eos_token": "<|audio_end|>",
}
ASR_TEMPLATE = (
    "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n"
    "<|audio_start|><|audio_pad|><|audio_end|><|im_end|>\n"
    "{% for message in messages if message.role == 'assistant' %}<|im_start|>assistant\n"
    "{{ message.content[0].text }}<|im_end|>\n{% endfor %}"
)
ALIGNER_TEMPLATE = (
    "<|audio_start|><|audio_pad|><|audio_end|>"
    "{% for part in messages[0].content if part.type == 'text' %}"
    "{{ part.text }}<timestamp><timestamp>{% endfor %}"
)


def byte_level_bpe(lines: list[str], size: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Train a byte-level vocabulary; returns tokens and merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def qwen_tokenizer() -> Qwen2Tokenizer:
    lines = ["the first train leaves the station at seven in the morning", "第一班火车早上七点"]
    vocabulary, merges = byte_level_bpe(lines, 300)
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary, merges=merges, extra_special_tokens=dict(list(QWEN_SPECIAL.items())[2:]),
        eos_token="<|im_end|>", pad_token="<|endoftext|>",
    )  # fmt: skip
    tokenizer.add_tokens(["<|im_start|>", "<asr_text>", "<timestamp>"], special_tokens=True)
    return tokenizer


def _qwen_config(
    tokenizer: Qwen2Tokenizer, head_dim: int = 16, **changes: object
) -> Qwen3ASRConfig:
    return Qwen3ASRConfig(
        audio_config={
            "num_mel_bins": 128, "encoder_layers": 2, "encoder_attention_heads": 2,
            "encoder_ffn_dim": 32, "d_model": 16, "output_dim": 64, "downsample_hidden_size": 8,
        },
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 96,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "head_dim": head_dim, "max_position_embeddings": 4096,
        },
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio_pad|>"),
        timestamp_token_id=tokenizer.convert_tokens_to_ids("<timestamp>"),
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        **changes,
    )  # fmt: skip


def _save(folder: Path, model: object, tokenizer: Qwen2Tokenizer, template: str) -> Path:
    model.save_pretrained(folder)  # type: ignore[attr-defined]
    Qwen3ASRProcessor(
        feature_extractor=Qwen3ASRFeatureExtractor(), tokenizer=tokenizer, chat_template=template
    ).save_pretrained(folder)
    return folder


def save_qwen3_asr(
    folder: Path, audio: np.ndarray, words: list[SourceWord], head_dim: int = 16
) -> Path:
    """A recogniser that was shown one recording and its words until it knew them."""
    torch.manual_seed(5)
    tokenizer = qwen_tokenizer()
    model = Qwen3ASRForConditionalGeneration(_qwen_config(tokenizer, head_dim))
    model.generation_config = GenerationConfig(
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
    )
    _save(folder, model, tokenizer, ASR_TEMPLATE)
    _teach(model, Qwen3ASRProcessor.from_pretrained(folder), audio, words)
    model.save_pretrained(folder)
    return folder


def save_forced_aligner(folder: Path, audio: np.ndarray, words: list[SourceWord]) -> Path:
    """An aligner that was shown when the words of one recording are spoken."""
    torch.manual_seed(6)
    tokenizer = qwen_tokenizer()
    model = Qwen3ASRForTokenClassification(_qwen_config(tokenizer, num_labels=200))
    _save(folder, model, tokenizer, ALIGNER_TEMPLATE)
    _teach_times(model, Qwen3ASRProcessor.from_pretrained(folder), audio, words)
    model.save_pretrained(folder)
    return folder


def _windows(audio: np.ndarray, words: list[SourceWord]) -> Iterator[Lesson]:
    """Beginnings of a recording, and the words that are whole in them."""
    for end in range(SAMPLE_RATE, len(audio) + 1, SAMPLE_RATE // 2):
        yield audio[:end], [word for word in words if word.end <= end / SAMPLE_RATE]


def _teach(model: Any, processor: Any, audio: np.ndarray, words: list[SourceWord]) -> None:
    lessons = []
    for heard, said in _windows(audio, words):
        text = " ".join(word.text for word in said)
        inputs = processor.apply_transcription_request(audio=heard, language="en")
        answer = torch.tensor([processor.tokenizer(f"{text}<|im_end|>").input_ids])
        untold = processor.apply_transcription_request(audio=heard)["input_ids"].shape[1]
        inputs["input_ids"] = torch.cat([inputs["input_ids"], answer], 1)
        labels = inputs["input_ids"].clone()
        labels[:, :untold] = -100  # it says by itself which language it hears
        inputs.pop("attention_mask")
        lessons.append(partial(_loss, model, inputs, labels))
    _learn(model, lessons, 600)


def _teach_times(model: Any, processor: Any, audio: np.ndarray, words: list[SourceWord]) -> None:
    lessons = []
    for heard, said in _windows(audio, words):
        if not said:
            continue
        text = " ".join(word.text for word in said)
        inputs, _ = processor.prepare_forced_aligner_inputs(heard, text, "en")
        labels = torch.full_like(inputs["input_ids"], -100)
        times = [round(time / 0.08) for word in said for time in (word.start, word.end)]
        labels[inputs["input_ids"] == model.config.timestamp_token_id] = torch.tensor(times)
        lessons.append(partial(_loss, model, inputs, labels))
    _learn(model, lessons, 400)


def _loss(model: Any, inputs: Any, labels: torch.Tensor) -> torch.Tensor:
    shifted = isinstance(model, Qwen3ASRForConditionalGeneration)  # a token predicts the next
    logits = model(**inputs).logits
    logits, labels = (logits[:, :-1], labels[:, 1:]) if shifted else (logits, labels)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def _learn(model: Any, lessons: list[Callable[[], torch.Tensor]], steps: int, rate=2e-3) -> None:
    torch.set_num_threads(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    for step in range(steps):
        lessons[step % len(lessons)]().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


VOXTRAL_TOKENS = ["<unk>", "<s>", "</s>"]
VOXTRAL_TOKENS += [t.value for t in SpecialTokens if t.value not in VOXTRAL_TOKENS]


def save_voxtral(folder: Path, audio: np.ndarray, words: list[SourceWord]) -> Path:
    """A streaming model that was shown one recording, saying each word after its end."""
    torch.manual_seed(8)
    _save_tekken(folder / "tekken.json")
    processor = VoxtralRealtimeProcessor(
        VoxtralRealtimeFeatureExtractor(), MistralCommonBackend(folder / "tekken.json")
    )
    vocabulary = 256 + len(VOXTRAL_TOKENS)
    config = VoxtralRealtimeConfig(
        text_config={
            "vocab_size": vocabulary, "hidden_size": 64, "intermediate_size": 96,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "head_dim": 16, "max_position_embeddings": 4096, "sliding_window": 256,
            "pad_token_id": 2, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        },
        audio_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1,
            "num_attention_heads": 2, "head_dim": 16, "sliding_window": 64,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        },
    )  # fmt: skip
    model = VoxtralRealtimeForConditionalGeneration(config)
    processor.save_pretrained(folder)
    left = processor.tokenizer.tokenizer.instruct_tokenizer.audio_encoder.get_padding_audio()[0]
    heard = np.concatenate([left.audio_array, audio])
    features = processor.feature_extractor(heard, sampling_rate=SAMPLE_RATE)["input_features"]
    features = features[:, :, : features.shape[-1] // 8 * 8]
    ids = _voxtral_tokens(processor, words, features.shape[-1] // 8)
    inputs = {
        "input_ids": ids[:, :-1],
        "input_features": features,
        "num_delay_tokens": processor.num_delay_tokens,
    }
    labels = ids[:, 1:].clone()
    labels[:, : processor.num_delay_tokens + 32] = -100
    lesson = partial(_flat_loss, model, inputs, labels)
    _learn(model, [lesson], 250)
    model.save_pretrained(folder)
    return folder


def _voxtral_tokens(processor: Any, words: list[SourceWord], frames: int) -> torch.Tensor:
    """One token a frame: silence, and each word's bytes from its end on, late by the delay."""
    pad, word = (VOXTRAL_TOKENS.index(name) for name in ("[STREAMING_PAD]", "[STREAMING_WORD]"))
    ids = [1, *[pad] * frames]
    first = 32 + processor.num_delay_tokens
    at = first
    for spoken in words:
        at = max(at, first + round(spoken.end / 0.08))
        text = [len(VOXTRAL_TOKENS) + byte for byte in f" {spoken.text}".encode()]
        ids[at : at + 1 + len(text)] = [word, *text]
        at += 1 + len(text)
    return torch.tensor([ids[: frames + 1]])


def _flat_loss(model: Any, inputs: Any, labels: torch.Tensor) -> torch.Tensor:
    logits = model(**inputs).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


def _save_tekken(path: Path) -> None:
    """Every byte is a token; streaming audio as the published model has it."""
    special = [
        {"rank": rank, "token_str": name, "is_control": True}
        for rank, name in enumerate(VOXTRAL_TOKENS)
    ]
    vocabulary = [
        {"rank": byte, "token_bytes": base64.b64encode(bytes([byte])).decode(), "token_str": None}
        for byte in range(256)
    ]
    size = len(vocabulary)
    config = {
        "pattern": r"\s?\S+|\s+", "num_vocab_tokens": size,
        "default_vocab_size": size + len(special), "default_num_special_tokens": len(special),
        "version": "v13",
    }  # fmt: skip
    spectrogram = {"num_mel_bins": 128, "hop_length": 160, "window_size": 400}
    audio = {
        "sampling_rate": 16000, "frame_rate": 12.5, "audio_encoding_config": spectrogram,
        "transcription_format": "streaming", "transcription_delay_ms": 480,
        "streaming_look_ahead_ms": 2.5, "streaming_look_back_ms": 52.5,
        "streaming_n_left_pad_tokens": 32,
    }  # fmt: skip
    record = {"config": config, "vocab": vocabulary, "special_tokens": special, "audio": audio}
    path.write_text(json.dumps(record), "utf-8")


GEMMA_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|turn>{{ m.role }}\n{{ m.content }}<turn|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|turn>model\n{% endif %}"
)
GEMMA_SPECIAL = {"audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>"}


def gemma_tokenizer() -> GemmaTokenizer:
    """Words of the lessons' letters, with Gemma's space sign and byte fallback."""
    letters = sorted({*"abcdefghijklmnopqrstuvwxyz", *"HATFRWDSLC", *",.'-0123456789▁\n"})
    names = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = {name: index for index, name in enumerate([*names, *letters])}
    tokenizer = GemmaTokenizer(
        vocab=vocabulary, merges=[], extra_special_tokens=GEMMA_SPECIAL, eos_token="<turn|>"
    )
    tokenizer.add_tokens(["<|turn>"], special_tokens=True)
    tokenizer.chat_template = GEMMA_TEMPLATE
    return tokenizer


def save_gemma_audio(folder: Path, audio: np.ndarray, words: list[SourceWord]) -> Path:
    """A hearing chat model that was shown one recording and its words until it knew them."""
    torch.manual_seed(9)
    tokenizer = gemma_tokenizer()
    config = Gemma4Config(
        text_config={
            "vocab_size": len(tokenizer), "vocab_size_per_layer_input": len(tokenizer),
            "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
            "global_head_dim": 16, "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 1,
            "layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window": 512,
            "pad_token_id": 0, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": 2,
            "max_position_embeddings": 2048,
        },
        audio_config={
            "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "output_proj_dims": 32, "subsampling_conv_channels": [128, 4],
        },
        audio_token_id=tokenizer.audio_token_id, boa_token_id=tokenizer.boa_token_id,
        eoa_token_index=tokenizer.eoa_token_id,
    )  # fmt: skip
    model = Gemma4ForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=0, do_sample=False
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Gemma4AudioFeatureExtractor().save_pretrained(folder)
    from alignatt4llm.recognizers.gemma_audio import GemmaAudioEngine

    engine, lessons = GemmaAudioEngine(folder), []
    model = engine.model.requires_grad_(True)
    model.model.audio_tower.requires_grad_(False)
    for heard, said in _windows(audio, words):
        text = " ".join(word.text for word in said) + "<turn|>"
        inputs, answer = engine._inputs(heard, language("en"), text)
        labels = torch.full_like(inputs["input_ids"], -100)
        labels[0, -len(answer) :] = torch.tensor(answer)
        inputs["mm_token_type_ids"] = torch.zeros_like(labels)
        lessons.append(partial(_shifted_loss, model, inputs, labels))
    _learn(model, lessons, 270, 4e-3)
    model.save_pretrained(folder)
    return folder


def _shifted_loss(model: Any, inputs: Any, labels: torch.Tensor) -> torch.Tensor:
    logits = model(**inputs).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten())
