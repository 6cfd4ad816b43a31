"""Recomputed attention rows against hand computation and against every model's own weights."""

import functools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import EVERY_HEAD, FAMILIES, WINDOW, tiny_model
from transformers import DynamicCache

from alignatt4llm.attention.capture import Capture
from alignatt4llm.attention.rows import AttentionForm, attention_rows

LENGTH = 3 * WINDOW


@functools.cache
def eager(family):
    model = tiny_model(family)
    model.set_attn_implementation("eager")
    return model


@functools.cache
def sdpa(family):
    model = tiny_model(family)
    model.set_attn_implementation("sdpa")
    return model


def token_ids(length=LENGTH, seed=3):
    return torch.randint(3, 400, (1, length), generator=torch.Generator().manual_seed(seed))


def own_weights(model, ids):
    """The model's own attention, shape [T, heads, L], in the order of EVERY_HEAD."""
    attentions = model(ids, output_attentions=True, use_cache=False).attentions
    return torch.stack([attentions[layer][0, head] for layer, head in EVERY_HEAD], dim=1)


def captured(model, capture, ids, positions, columns=None, **options):
    model(ids, **options)
    every = torch.arange(int(positions[-1]) + 1)
    return capture.rows(positions, every if columns is None else columns)


def close(rows, expected):
    torch.testing.assert_close(rows, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_rows_of_a_full_pass_are_the_models_own_weights(family):
    model, ids = eager(family), token_ids()
    capture = Capture(model, EVERY_HEAD)
    with capture.watching():
        rows = captured(model, capture, ids, torch.arange(LENGTH), use_cache=False)
    expected = own_weights(model, ids)
    assert expected.std() > 0.02, "the model's attention is too uniform to tell anything"
    close(rows, expected)


@pytest.mark.parametrize("sliding_cache", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_rows_of_cached_steps_are_those_of_the_full_pass(family, sliding_cache):
    model, ids = eager(family), token_ids()
    expected = own_weights(model, ids)
    cache = DynamicCache(config=model.config) if sliding_cache else DynamicCache()
    capture = Capture(model, EVERY_HEAD)
    with capture.watching():
        for start, end in [(0, 5), (5, 6), (6, 17), *((at, at + 1) for at in range(17, LENGTH))]:
            options = {"past_key_values": cache, "use_cache": True}
            rows = captured(model, capture, ids[:, start:end], torch.arange(start, end), **options)
            close(rows, expected[start:end, :, :end])


@pytest.mark.parametrize("family", sorted({*FAMILIES} - {"gemma2", "gpt_oss"}))
@torch.inference_mode()
def test_rows_under_sdpa_are_the_eager_weights(family):
    model, ids = sdpa(family), token_ids()
    capture = Capture(model, EVERY_HEAD)
    with capture.watching():
        rows = captured(model, capture, ids, torch.arange(LENGTH), use_cache=False)
    close(rows, own_weights(eager(family), ids))


@torch.inference_mode()
def test_rows_come_for_chosen_heads_positions_columns_and_batch_entries():
    model, ids = eager("gemma3"), torch.cat([token_ids(seed=1), token_ids(seed=2)])
    heads = [(3, 1), (0, 2), (3, 0)]
    positions, columns = torch.tensor([11, 14, LENGTH - 1]), torch.tensor([1, 2, 9, 12])
    capture = Capture(model, heads)
    with capture.watching():
        model(ids, use_cache=False)
        rows = capture.rows(positions, columns, batch=1)
    expected = own_weights(model, ids[1:])[:, [EVERY_HEAD.index(head) for head in heads]]
    assert rows.shape == (3, 3, 4)
    close(rows, expected[positions][:, :, columns])


def test_rows_worked_out_by_hand():
    """Two heads share one key head; the queries stand at positions 1 and 2 of three keys."""
    query = torch.tensor([[[2.0], [4.0]], [[1.0], [-2.0]]])  # [2, 2, 1]
    key = torch.tensor([[[0.0], [1.0], [2.0]]])  # [1, 3, 1]
    rows = attention_rows(query, key, [1, 0], torch.tensor([1, 2]), AttentionForm(scale=0.5))
    e = math.e
    expected = [
        [[1 / (1 + e**0.5), e**0.5 / (1 + e**0.5), 0], _softmax(0, -1, -2)],
        [[1 / (1 + e), e / (1 + e), 0], _softmax(0, 2, 4)],
    ]
    torch.testing.assert_close(rows, torch.tensor(expected))


def _softmax(*logits):
    total = sum(math.exp(logit) for logit in logits)
    return [math.exp(logit) / total for logit in logits]


def _one_head(form, **options):
    """Logits before softcap and mask: (0, 2, 4) for the query at position 2."""
    query, key = torch.tensor([[[2.0], [4.0]]]), torch.tensor([[[0.0], [1.0], [2.0]]])
    return attention_rows(query, key, [0], torch.tensor([1, 2]), form, **options)[0]


def test_keys_at_the_window_and_beyond_get_nothing():
    rows = _one_head(AttentionForm(scale=0.5, window=2))
    expected = torch.tensor([[*_softmax(0, 1), 0], [0, *_softmax(2, 4)]])
    torch.testing.assert_close(rows, expected)


def test_softcap_bends_the_logits():
    rows = _one_head(AttentionForm(scale=0.5, softcap=2.0))
    expected = _softmax(0, 2 * math.tanh(1), 2 * math.tanh(2))
    torch.testing.assert_close(rows[1], torch.tensor(expected))


def test_a_sink_takes_its_share():
    rows = _one_head(AttentionForm(scale=0.5), sinks=torch.tensor([3.0]))
    torch.testing.assert_close(rows[1], torch.tensor(_softmax(0, 2, 4, 3)[:3]))


def test_dropped_keys_shift_the_mask():
    query, key = torch.tensor([[[4.0]]]), torch.tensor([[[1.0], [2.0]]])
    form = AttentionForm(scale=0.5, window=2)
    rows = attention_rows(query, key, [0], torch.tensor([2]), form, first_key=1)
    torch.testing.assert_close(rows, torch.tensor([[_softmax(2, 4)]]))


@given(
    seed=st.integers(0, 10_000),
    window=st.none() | st.integers(1, 6),
    softcap=st.none() | st.floats(0.5, 50),
)
@settings(max_examples=40, deadline=None)
def test_rows_are_causal_distributions(seed, window, softcap):
    torch.manual_seed(seed)
    query, key = 3 * torch.randn(4, 5, 8), 3 * torch.randn(2, 9, 8)
    positions, form = torch.arange(4, 9), AttentionForm(0.3, window, softcap)
    rows = attention_rows(query, key, [0, 3, 2], positions, form)
    torch.testing.assert_close(rows.sum(-1), torch.ones(3, 5))
    distance = positions[:, None] - torch.arange(9)
    seen = (distance >= 0) & (distance < (window or 9))
    assert (rows[:, ~seen] == 0).all()
    assert (rows >= 0).all()
