"""Recomputed attention rows against hand computation and against every model's own weights."""

import functools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import EVERY_HEAD, FAMILIES, WINDOW, tiny_model

from alignatt4llm.attention.packed import Feed, PackedModel, Stream
from alignatt4llm.attention.rows import AttentionForm, attention_rows
from alignatt4llm.errors import AlignattError

LENGTH = 3 * WINDOW


@functools.cache
def packed(family):
    return PackedModel(tiny_model(family))


def token_ids(length=LENGTH, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, 400, (length,), generator=generator).tolist()


@functools.cache
@torch.inference_mode()
def eager(family, seed=3):
    """The model's own logits [T, V] and attention [T, heads, L], in the order of EVERY_HEAD."""
    model = tiny_model(family)
    model.set_attn_implementation("eager")
    out = model(torch.tensor([token_ids(seed=seed)]), output_attentions=True, use_cache=False)
    rows = torch.stack([out.attentions[layer][0, head] for layer, head in EVERY_HEAD], dim=1)
    assert rows.std() > 0.02, "the model's attention is too uniform to tell anything"
    return out.logits[0], rows


def close(one, other):
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_full_pass_gives_the_models_own_logits_and_weights(family):
    feed = Feed(Stream(EVERY_HEAD), token_ids(), LENGTH, torch.arange(LENGTH))
    packed(family).run([feed])
    logits, rows = eager(family)
    close(feed.logits, logits)
    close(feed.rows, rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_steps_that_grow_and_go_back_give_what_the_full_pass_gives(family):
    stream, ids, (logits, rows) = Stream(EVERY_HEAD), token_ids(), eager(family)
    wrong = [7, 8, 9]
    for begin, end in [(0, 5), (5, 6), (6, 17), *((at, at + 1) for at in range(17, LENGTH))]:
        packed(family).run([Feed(stream, wrong)])
        stream.keep(begin)
        feed = Feed(stream, ids[begin:end], end - begin, torch.arange(end))
        packed(family).run([feed])
        close(feed.logits, logits[begin:end])
        close(feed.rows, rows[begin:end, :, :end])


@pytest.mark.parametrize("family", FAMILIES)
def test_streams_in_one_pass_do_not_see_one_another(family):
    streams = [Stream(EVERY_HEAD), Stream(EVERY_HEAD[::3]), Stream()]
    begins, ends = (0, 4, 11), (9, 12, LENGTH)
    for seed, (stream, begin) in enumerate(zip(streams, begins, strict=True)):
        if begin:
            packed(family).run([Feed(stream, token_ids(seed=seed)[:begin])])
    feeds = [
        Feed(stream, token_ids(seed=seed)[begin:end], end - begin, torch.tensor([1, 3, end - 1]))
        for seed, (stream, begin, end) in enumerate(zip(streams, begins, ends, strict=True))
    ]
    packed(family).run(feeds)
    for seed, (feed, begin, end) in enumerate(zip(feeds, begins, ends, strict=True)):
        logits, rows = eager(family, seed)
        close(feed.logits, logits[begin:end])
        wanted = [EVERY_HEAD.index(head) for head in feed.stream.heads]
        close(feed.rows, rows[begin:end, :, feed.columns][:, wanted])


@pytest.mark.parametrize("family", FAMILIES)
def test_reading_rows_changes_no_bit(family):
    watched, plain = Stream(EVERY_HEAD), Stream()
    for begin, end in [(0, 11), (11, 12), (12, 20)]:
        new = token_ids()[begin:end]
        feeds = Feed(watched, new, end - begin, torch.arange(end)), Feed(plain, new, end - begin)
        for feed in feeds:
            packed(family).run([feed])
        assert torch.equal(feeds[0].logits, feeds[1].logits)


def test_half_precision_rows_change_no_bit_either():
    model = PackedModel(tiny_model("gemma3").bfloat16())
    watched, plain = (
        Feed(Stream(EVERY_HEAD), token_ids(), LENGTH, torch.arange(LENGTH)),
        Feed(Stream(), token_ids(), LENGTH),
    )
    model.run([watched])
    model.run([plain])
    assert torch.equal(watched.logits, plain.logits)


@pytest.mark.parametrize("head", [(4, 0), (0, 4), (-1, 0)])
def test_heads_that_the_model_lacks_are_refused(head):
    with pytest.raises(AlignattError, match="4 layers of 4 heads"):
        packed("llama").check([head])


def test_rows_worked_out_by_hand():
    """Two heads share one key head; the queries stand at positions 1 and 2 of three keys."""
    query = torch.tensor([[[2.0], [4.0]], [[1.0], [-2.0]]])  # [2, 2, 1]
    key = torch.tensor([[[0.0], [1.0], [2.0]]])  # [1, 3, 1]
    rows = attention_rows(query, key, [1, 0], AttentionForm(scale=0.5))
    e = math.e
    expected = [
        [[1 / (1 + e**0.5), e**0.5 / (1 + e**0.5), 0], _softmax(0, -1, -2)],
        [[1 / (1 + e), e / (1 + e), 0], _softmax(0, 2, 4)],
    ]
    torch.testing.assert_close(rows, torch.tensor(expected))


def _softmax(*logits):
    total = sum(math.exp(logit) for logit in logits)
    return [math.exp(logit) / total for logit in logits]


def _one_head(form):
    """Logits before softcap and mask: (0, 2, 4) for the query at position 2."""
    query, key = torch.tensor([[[2.0], [4.0]]]), torch.tensor([[[0.0], [1.0], [2.0]]])
    return attention_rows(query, key, [0], form)[0]


def test_keys_at_the_window_and_beyond_get_nothing():
    rows = _one_head(AttentionForm(scale=0.5, window=2))
    expected = torch.tensor([[*_softmax(0, 1), 0], [0, *_softmax(2, 4)]])
    torch.testing.assert_close(rows, expected)


def test_softcap_bends_the_logits():
    rows = _one_head(AttentionForm(scale=0.5, softcap=2.0))
    expected = _softmax(0, 2 * math.tanh(1), 2 * math.tanh(2))
    torch.testing.assert_close(rows[1], torch.tensor(expected))


def test_a_sink_takes_its_share():
    rows = _one_head(AttentionForm(scale=0.5, sinks=torch.tensor([3.0])))
    torch.testing.assert_close(rows[1], torch.tensor(_softmax(0, 2, 4, 3)[:3]))


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
    rows = attention_rows(query, key, [0, 3, 2], form)
    torch.testing.assert_close(rows.sum(-1), torch.ones(3, 5))
    distance = positions[:, None] - torch.arange(9)
    seen = (distance >= 0) & (distance < (window or 9))
    assert (rows[:, ~seen] == 0).all()
    assert (rows >= 0).all()
