"""The tiny GGUF files are what the tiny checkpoints are: the same tokens, the same logits."""

import ctypes
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import SENTENCES, VOCABULARY, byte_fallback_tokenizer, byte_level_tokenizer
from tiny_gguf import FAMILIES, save_gguf
from tokenizers import models, processors
from transformers import PreTrainedTokenizerFast

from alignatt4llm.translators.llamacpp.binding import library

PROMPTS = (
    *SENTENCES,
    "",
    " ",
    "\n\n",
    " a  b   ",
    "a\t\tb\r\n c\n\n  d",
    "I'll say we've 1234 of 56.78 %, 'tis l'été: ²³½ Ⅷ",
    "English: Good morning.\nGerman: Guten Morgen.\n\nEnglish: It is late.\nGerman:",
    "Привет, мир! Поезд №5.",
    "القطار الأول يغادر المحطة",
    "नमस्ते दुनिया। ไทยภาษา",
    "おはよう世界、カタカナ。한국어 문장입니다.",
    "👩‍👩‍👧 e\u0301 \u00a0\u2003\u3000 \u2028 \x85\x7f",
    "<s>user</s> a<s>b</s> c <pad> d<pad>",
    "<unk> <0x41> </s ▁▁ a▁b",
)
ALPHABET = (
    "abtsd' \n\t\r0129²½.,!?-“”äöüßéÉ你好第一。，नमस्العرب🙂🚆\u200d\ufe0f\u0301\u00a0\u3000<s></>|▁"
)
CHANGES: list[tuple[str, dict[str, Any]]] = [
    *((family, {}) for family in FAMILIES),
    ("llama", {"num_key_value_heads": 4, "head_dim": 32}),
    ("mistral", {"tie_word_embeddings": True}),
    ("qwen3", {"vocab_size": 500, "rms_norm_eps": 1e-5}),
    ("gemma2", {"query_pre_attn_scalar": 100, "final_logit_softcapping": 5.0}),
    ("gemma3", {"sliding_window": 20, "num_hidden_layers": 3, "layer_types": None}),
    ("gemma3", {"layer_types": ["full_attention", *["sliding_attention"] * 3]}),
    ("gemma4", {"num_kv_shared_layers": 0, "global_head_dim": 16}),
    ("gemma4", {"hidden_size_per_layer_input": 0, "final_logit_softcapping": 5.0}),
    ("gpt_oss", {"num_local_experts": 4, "num_experts_per_tok": 2}),
]


def taught(tokenizer: PreTrainedTokenizerFast, *merges: str) -> PreTrainedTokenizerFast:
    """Let a tokeniser join further pairs, each written with a space."""
    bpe = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    pairs = [tuple(merge) for merge in (*bpe["merges"], *(merge.split(" ") for merge in merges))]
    vocabulary = {**bpe["vocab"]}
    for pair in merges:
        vocabulary.setdefault(pair.replace(" ", ""), len(vocabulary) + 10)
    tokenizer.backend_tokenizer.model = models.BPE(
        vocabulary, pairs, unk_token=bpe["unk_token"], byte_fallback=bpe["byte_fallback"]
    )
    return tokenizer


def joined_pieces() -> PreTrainedTokenizerFast:
    """Metaspace pieces of several letters, whose order of joining matters."""
    return taught(byte_fallback_tokenizer(), "h i", "t h", "i n", "th e", "in g", "▁ the")


def crossing_words() -> PreTrainedTokenizerFast:
    """Byte-level pairs that only some ways of splitting a text into words let join."""
    return taught(byte_level_tokenizer(), "1 2", "( a", "Ċ Ċ", "Ġ Ġ", "' s", ". Ċ", "ĠĠ a", "Ġ 1")


def with_turns() -> PreTrainedTokenizerFast:
    """No token at the start, marks of turns, one visible, and a chat template."""
    tokenizer = byte_level_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A")
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|im_start|>"]})
    tokenizer.add_tokens(["<think>"])
    tokenizer.chat_template = "{{ messages[0].content }}"
    return tokenizer


@contextmanager
def opened(file: Path, *, only_vocabulary: bool = False) -> Iterator[int]:
    lib = library()
    params = lib.call.llama_model_default_params()
    params.n_gpu_layers, params.vocab_only = 0, only_vocabulary
    model = lib.call.llama_model_load_from_file(str(file).encode(), params)
    assert model, lib.problem()
    yield model
    lib.call.llama_model_free(model)


def tokens(model: int, text: str) -> list[int]:
    call, said = library().call, text.encode()
    found = (ctypes.c_int32 * (len(said) + 2))()
    vocabulary = call.llama_model_get_vocab(model)
    count = call.llama_tokenize(vocabulary, said, len(said), found, len(found), True, True)
    return list(found[:count])


def piece(model: int, token: int) -> str:
    call, buffer = library().call, ctypes.create_string_buffer(64)
    vocabulary = call.llama_model_get_vocab(model)
    size = call.llama_token_to_piece(vocabulary, token, buffer, len(buffer), 0, True)
    return buffer.raw[:size].decode("utf-8", "replace")


def logits(model: int, ids: list[int]) -> np.ndarray:
    """Return what llama.cpp predicts after every token, float32 throughout."""
    call = library().call
    params = call.llama_context_default_params()
    params.n_ctx, params.n_threads, params.n_threads_batch = 256, 1, 1
    params.flash_attn_type = params.type_k = params.type_v = 0
    params.swa_full, params.kv_unified = True, False
    context, batch = call.llama_init_from_model(model, params), call.llama_batch_init(256, 0, 1)
    batch.n_tokens = len(ids)
    for index, token in enumerate(ids):
        batch.token[index], batch.pos[index], batch.logits[index] = token, index, 1
        batch.n_seq_id[index], batch.seq_id[index][0] = 1, 0
    assert call.llama_decode(context, batch) == 0
    width = (call.llama_vocab_n_tokens(call.llama_model_get_vocab(model)),)
    rows = [call.llama_get_logits_ith(context, index) for index in range(len(ids))]
    found = np.stack([np.ctypeslib.as_array(row, width).copy() for row in rows])
    call.llama_batch_free(batch)
    call.llama_free(context)
    return found


@pytest.mark.parametrize(("family", "changes"), CHANGES)
def test_logits_are_those_of_transformers(
    family: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    model, tokenizer = save_gguf(tmp_path / "tiny.gguf", family, **changes)
    model.set_attn_implementation("eager")
    ids = tokenizer(SENTENCES[0]).input_ids[:24]
    with torch.no_grad():
        expected = model(torch.tensor([ids])).logits[0].numpy()
    with opened(tmp_path / "tiny.gguf") as loaded:
        found = logits(loaded, ids)
    assert expected.shape == found.shape == (24, model.config.vocab_size)
    assert np.abs(expected).max() > 4
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("mistral", {"sliding_window": 8}),
        ("llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}),
    ],
)
def test_what_would_differ_is_refused(family: str, changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no sliding window|not written"):
        save_gguf(tmp_path / "tiny.gguf", family, **changes)


TOKENIZERS = (
    byte_level_tokenizer,
    byte_fallback_tokenizer,
    joined_pieces,
    crossing_words,
    with_turns,
)


@pytest.fixture(scope="module", params=TOKENIZERS, ids=lambda make: make.__name__)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PreTrainedTokenizerFast, int]]:
    file = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    _, tokenizer = save_gguf(file, "llama", request.param())
    with opened(file, only_vocabulary=True) as loaded:
        yield tokenizer, loaded


@pytest.mark.parametrize(
    "text",
    [
        *PROMPTS,
        "thing, then in the thin night",
        "<|im_start|>user\nHi <think> so</think>",
        "(a 12123   a's.\n\n\n  12",
    ],
)
def test_tokens_are_the_tokenisers(both: tuple[PreTrainedTokenizerFast, int], text: str) -> None:
    tokenizer, loaded = both
    assert tokens(loaded, text) == tokenizer(text).input_ids


@given(text=st.text(ALPHABET))
def test_any_text_is_the_same_tokens(both: tuple[PreTrainedTokenizerFast, int], text: str) -> None:
    tokenizer, loaded = both
    assert tokens(loaded, text) == tokenizer(text).input_ids


def test_every_token_says_the_same(both: tuple[PreTrainedTokenizerFast, int]) -> None:
    tokenizer, loaded = both
    every = range(VOCABULARY)
    assert [piece(loaded, token) for token in every] == [tokenizer.decode([t]) for t in every]


def test_specials_and_template_are_the_tokenisers(
    both: tuple[PreTrainedTokenizerFast, int],
) -> None:
    tokenizer, loaded = both
    call = library().call
    vocabulary = call.llama_model_get_vocab(loaded)
    control = {t for t in range(VOCABULARY) if call.llama_vocab_is_control(vocabulary, t)}
    assert call.llama_vocab_bos(vocabulary) == tokenizer.bos_token_id
    assert call.llama_vocab_eos(vocabulary) == tokenizer.eos_token_id
    assert control == set(tokenizer.all_special_ids)
    template = call.llama_model_chat_template(loaded, None)
    assert (template and template.decode()) == tokenizer.chat_template
