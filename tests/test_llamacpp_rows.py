"""Rows and logits of llama.cpp against the same weights in transformers, eager and in float32."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import EVERY_HEAD, HEADS, LAYERS, WINDOW
from tiny_gguf import FAMILIES, save_gguf

from alignatt4llm.errors import AlignattError
from alignatt4llm.translators.llamacpp import context as inside
from alignatt4llm.translators.llamacpp.context import LlamaContext
from alignatt4llm.translators.llamacpp.feed import Feed
from alignatt4llm.translators.llamacpp.slots import Slots
from alignatt4llm.weights.gguf import read_header

LENGTH = 3 * WINDOW
STREAMS = 3
MAPS = Path("/proc/self/maps")


def token_ids(length=LENGTH, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, 400, (length,), generator=generator).tolist()


class Case:
    """A tiny model in llama.cpp, and what transformers says of the same weights."""

    def __init__(self, folder, family):
        file = folder / f"{family}.gguf"
        self.model, _ = save_gguf(file, family)
        self.model.set_attn_implementation("eager")
        self.context = LlamaContext(file, streams=STREAMS, context=256, precise=True)

    @torch.inference_mode()
    def eager(self, ids):
        """Logits [T, V] and attention [T, heads, L], in the order of EVERY_HEAD."""
        out = self.model(torch.tensor([ids]), output_attentions=True, use_cache=False)
        rows = torch.stack([out.attentions[layer][0, head] for layer, head in EVERY_HEAD], dim=1)
        assert rows.std() > 0.02, "the model's attention is too uniform to tell anything"
        return out.logits[0].numpy(), rows.numpy()

    def feed(self, stream, ids, wanted, columns=None):
        feed = Feed(stream, ids, wanted, columns)
        self.context.run([feed])
        return feed


@pytest.fixture(scope="module", params=FAMILIES)
def case(request, tmp_path_factory):
    made = Case(tmp_path_factory.mktemp(request.param), request.param)
    yield made
    made.context.close()


@pytest.fixture
def stream(case):
    made = case.context.stream(EVERY_HEAD)
    yield made
    case.context.free(made)


def close(one, other, most=1e-4):
    np.testing.assert_allclose(one, other, atol=most, rtol=most)


def test_a_full_pass_gives_the_models_own_logits_and_weights(case, stream):
    feed = case.feed(stream, token_ids(), LENGTH, np.arange(LENGTH))
    logits, rows = case.eager(token_ids())
    close(feed.logits, logits)
    close(feed.rows, rows)


def test_steps_that_grow_and_go_back_give_what_the_full_pass_gives(case, stream):
    ids, (logits, rows) = token_ids(), case.eager(token_ids())
    for begin, end in [(0, 5), (5, 6), (6, 17), *((at, at + 1) for at in range(17, LENGTH))]:
        case.feed(stream, [*ids[:begin], 7, 8, 9], 3)
        feed = case.feed(stream, ids[:end], end - begin, np.arange(end))
        close(feed.logits, logits[begin:end])
        close(feed.rows, rows[begin:end, :, :end])


def test_going_back_far_beyond_the_window_gives_the_rows_of_a_fresh_start(case, stream):
    long = token_ids(8 * WINDOW, seed=5)
    case.feed(stream, long, 1)
    for kept in (4, WINDOW + 1, 3 * WINDOW):
        ids = [*long[:kept], *token_ids(2 * WINDOW, seed=kept)]
        feed = case.feed(stream, ids, 3, np.arange(len(ids)))
        logits, rows = case.eager(ids)
        close(feed.logits, logits[-3:], 3e-4)  # rounding grows with the length
        close(feed.rows, rows[-3:])
        case.feed(stream, long, 1)


def test_only_the_columns_and_heads_that_are_wanted_come_in_their_order(case, stream):
    _, rows = case.eager(token_ids())
    stream.heads = [(3, 1), (0, 2), (3, 0)]
    columns = np.array([9, 4, 5, 17])
    feed = case.feed(stream, token_ids(), 5, columns)
    wanted = [EVERY_HEAD.index(head) for head in stream.heads]
    close(feed.rows, rows[-5:][:, wanted][:, :, columns])


def test_reading_rows_changes_no_bit_of_the_logits(case, stream):
    with_rows = case.feed(stream, token_ids(), LENGTH, np.arange(LENGTH)).logits.copy()
    without = case.feed(stream, token_ids(), LENGTH).logits
    np.testing.assert_array_equal(with_rows, without)


def test_streams_that_step_together_see_nothing_of_one_another(case):
    streams = [case.context.stream(heads) for heads in (EVERY_HEAD, EVERY_HEAD[::3], ())]
    every = [token_ids(LENGTH - 5 * n, seed=n) for n in range(3)]
    case.feed(streams[1], every[1][:4], 1)
    columns = np.array([1, 3, 6])
    feeds = [Feed(each, ids, 4, columns) for each, ids in zip(streams, every, strict=True)]
    case.context.run(feeds)
    for feed, ids in zip(feeds, every, strict=True):
        logits, rows = case.eager(ids)
        wanted = [EVERY_HEAD.index(head) for head in feed.stream.heads]
        close(feed.logits, logits[-4:])
        close(feed.rows, rows[-4:][:, wanted][:, :, columns])
        case.context.free(feed.stream)


def test_more_streams_than_places_only_read_again(case):
    streams = [case.context.stream(EVERY_HEAD) for _ in range(2 * STREAMS)]
    every = [token_ids(seed=n) for n in range(len(streams))]
    for _ in range(2):
        feeds = [
            Feed(each, ids, 2, np.arange(LENGTH)) for each, ids in zip(streams, every, strict=True)
        ]
        case.context.run(feeds)
        for feed, ids in zip(feeds, every, strict=True):
            close(feed.rows, case.eager(ids)[1][-2:])
    for each in streams:
        case.context.free(each)


def test_what_streams_begin_with_is_read_once(case):
    common = token_ids(20, seed=11)
    first, second, third = (case.context.stream(EVERY_HEAD) for _ in range(3))
    case.feed(first, [*common, 5, 6], 1)
    for other, ids in ((second, [*common, 7, 9]), (third, [*common, 8])):
        feed = Feed(other, ids, 1, np.arange(len(ids)))
        case.context.run([feed])
        logits, rows = case.eager(ids)
        close(feed.logits, logits[-1:])
        close(feed.rows, rows[-1:])
        assert other.slot.number != first.slot.number
    again = case.feed(first, [*common, 5, 6, 7], 1, np.arange(23))
    close(again.rows, case.eager([*common, 5, 6, 7])[1][-1:])
    for each in (first, second, third):
        case.context.free(each)


@pytest.mark.parametrize("head", [(LAYERS, 0), (0, HEADS), (-1, 0)])
def test_a_head_that_is_not_there_is_refused(case, head):
    with pytest.raises(AlignattError, match=r"4 layers of 4 heads"):
        case.context.check([head])


def test_long_prompts_are_read_in_several_passes(case, stream, monkeypatch):
    monkeypatch.setattr(inside, "PASS", 7)
    feed = case.feed(stream, token_ids(), 11, np.arange(LENGTH))
    logits, rows = case.eager(token_ids())
    close(feed.logits, logits[-11:])
    close(feed.rows, rows[-11:])


class Copies:
    """Sequences as a context would hold them."""

    def __init__(self, count):
        self.held = {number: [] for number in range(count)}
        self.slots = Slots(count, self.copy)

    def copy(self, source, target):
        self.held[target] = list(self.held[source])

    def step(self, stream, ids, busy=()):
        """Feed tokens as `LlamaContext` does; say how many were new."""
        slot = self.slots.take(stream, ids, [*busy, stream])
        assert slot.ids == self.held[slot.number]
        kept = min(stream.held(ids), len(ids) - 1)
        slot.ids = self.held[slot.number] = list(ids)
        return len(ids) - kept


def test_a_stream_keeps_its_place_while_there_are_enough():
    copies = Copies(2)
    streams = [copies.slots.stream() for _ in range(2)]
    for length in range(1, 9):
        for n, each in enumerate(streams):
            assert copies.step(each, [n] * length) == 1


def test_who_has_waited_longest_makes_room():
    copies = Copies(2)
    one, two, three = (copies.slots.stream() for _ in range(3))
    copies.step(one, [1] * 5)
    copies.step(two, [2] * 5)
    copies.step(one, [1] * 6)
    copies.step(three, [3] * 5)
    assert (one.slot is None, two.slot is None, three.slot is None) == (False, True, False)
    assert copies.step(two, [2] * 6) == 6
    assert one.slot is None


def test_a_closed_streams_place_serves_the_next_that_begins_alike():
    copies = Copies(2)
    one, two = (copies.slots.stream() for _ in range(2))
    copies.step(one, range(40))
    copies.slots.free(one)
    assert copies.step(two, [*range(30), 99]) == 1
    assert two.slot.number == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.lists(st.integers(0, 1), min_size=1, max_size=40)),
        max_size=40,
    )
)
@settings(max_examples=200, deadline=None)
def test_places_are_never_shared_and_hold_what_they_say(steps):
    copies = Copies(2)
    streams = [copies.slots.stream() for _ in range(4)]
    for who, ids in steps:
        if who == 4:
            copies.slots.free(streams[len(ids) % 4])
            continue
        copies.step(streams[who], ids)
        owned = [each.slot.number for each in streams if each.slot]
        assert len(owned) == len(set(owned))
        assert all(each.slot.owner is each for each in streams if each.slot)


@pytest.mark.skipif(not MAPS.exists(), reason="this system does not list what is mapped")
def test_weights_are_in_memory_once_unless_a_table_of_rows_is_among_them(case):
    by_row = read_header(case.context.file).number("embedding_length_per_layer_input") > 0
    assert (str(case.context.file) in MAPS.read_text()) == by_row
