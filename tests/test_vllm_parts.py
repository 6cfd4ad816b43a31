"""Parts of the vLLM engine that need no vLLM: keys, rows, the ledger, the wire, the chooser."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_drafting import PAIR, assert_same, drafts, head_set, prompt
from tiny import byte_level_tokenizer, save_checkpoint

from alignatt4llm.attention.packed import Feed, Stream
from alignatt4llm.attention.rows import AttentionForm, attention_rows
from alignatt4llm.errors import AlignattError, PromptTooLong
from alignatt4llm.translators.transformers import TransformersTranslator
from alignatt4llm.translators.vllm.keys import KeyCache
from alignatt4llm.translators.vllm.ledger import Ledger, Part, Wanted
from alignatt4llm.translators.vllm.rows import Layer, StepQueries, StepRows
from alignatt4llm.translators.vllm.steps import Ask, Served, Step
from alignatt4llm.translators.vllm.translator import VllmTranslator
from alignatt4llm.translators.vllm.wire import error_to_line, step_from_line, step_to_line

BLOCKS, KEY_HEADS, HEADS, BLOCK, SIZE = 12, 2, 4, 8, 64


ORDERS = {  # of position's and component's upper and lower digits, and keys before values
    "position by position": "onujk",
    "values beside keys": "onkuj",
    "component by component": "kujon",
    "pairs of components": "kuonj",
    "pairs in runs of positions": "kounj",
    "all mixed": "jonku",
}


def places(order):
    """Where a key's and a value's component lies in a block: [2, position, component]."""
    sizes = {"o": 2, "n": BLOCK // 2, "u": SIZE // 2, "j": 2, "k": 2}
    counted = torch.arange(2 * BLOCK * SIZE).view([sizes[letter] for letter in order])
    return counted.permute([order.index(letter) for letter in "konuj"]).reshape(2, BLOCK, SIZE)


class FakeLayer:
    """An attention layer whose backend keeps a block's numbers in an order of its own."""

    num_heads, num_kv_heads, head_size, head_size_v = HEADS, KEY_HEADS, SIZE, SIZE
    kv_cache_dtype = "auto"
    attn_backend = SimpleNamespace(get_name=lambda: "FAKE_ATTN")

    def __init__(self, order="kujon", dtype=torch.float32, write=lambda keys: keys):
        self.dtype = dtype
        self.kv_cache = torch.zeros(BLOCKS, KEY_HEADS, BLOCK, 2 * SIZE, dtype=dtype)
        self.places = places(order) if isinstance(order, str) else order
        self.write = write
        self.impl = SimpleNamespace(do_kv_cache_update=self.update)

    def update(self, _layer, keys, values, cache, slots):
        for key, value, slot in zip(self.write(keys), values, slots.tolist(), strict=True):
            block, offset = divmod(slot, BLOCK)
            of_keys, of_values = self.places[:, offset]
            for head in range(KEY_HEADS):
                flat = cache[block, head].view(-1)
                flat[of_keys], flat[of_values] = key[head], value[head]


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_keys_are_read_from_whatever_order_a_backend_keeps(order, dtype):
    layer = FakeLayer(order, dtype)
    cache = KeyCache(layer)
    assert not layer.kv_cache.any(), "nothing is left behind"
    keys = torch.randn(3 * BLOCK, KEY_HEADS, SIZE).to(dtype)
    table = torch.tensor([[7, 2, 9]])
    slots = (table[0][:, None] * BLOCK + torch.arange(BLOCK)).flatten()
    layer.update(layer, keys, keys + 1, layer.kv_cache, slots)
    query = torch.randn(1, 3, 2, SIZE).to(dtype).float()
    for head in range(KEY_HEADS):
        found = cache.products(query, head, table)
        in_order = found.permute(0, 3, 1, 2, 4).reshape(1, 3, 2, 3 * BLOCK)
        torch.testing.assert_close(in_order, query @ keys[:, head].T.float())


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("shared", [1, 2])
def test_a_beginning_that_streams_share_is_read_once_and_multiplied_alike(order, shared):
    layer = FakeLayer(order)
    cache = KeyCache(layer)
    layer.kv_cache.normal_()
    tables = torch.tensor([[7, 2, 9]] * 4)
    tables[1:, shared:] = torch.tensor([[1, 3], [4, 4], [5, 6]])[:, : 3 - shared]
    query = torch.randn(4, 3, 2, SIZE)
    apart = cache.products(query, 1, tables)
    torch.testing.assert_close(cache.products(query, 1, tables, shared), apart)


def test_an_order_without_strides_is_refused_by_name():
    chance = torch.Generator().manual_seed(3)
    shuffled = torch.randperm(2 * BLOCK * SIZE, generator=chance).view(2, BLOCK, SIZE)
    with pytest.raises(AlignattError, match=r"FAKE_ATTN.*FLASH_ATTN"):
        KeyCache(FakeLayer(shuffled))


@pytest.mark.parametrize(
    "write",
    [
        lambda keys: (keys / 3).round(),
        lambda keys: keys.flip(1) + torch.arange(KEY_HEADS)[:, None],
        lambda keys: keys.clamp(max=15),
        lambda keys: keys * 0 - 1,
    ],
)
def test_a_backend_that_alters_keys_is_refused_by_name(write):
    with pytest.raises(AlignattError, match=r"FAKE_ATTN.*FLASH_ATTN"):
        KeyCache(FakeLayer(write=write))


def test_a_backend_that_stores_keys_unseen_is_refused():
    layer = FakeLayer()
    layer.impl = SimpleNamespace()
    with pytest.raises(AlignattError, match="FAKE_ATTN"):
        KeyCache(layer)


@pytest.mark.parametrize("windows", [(None, None), (11, 11), (None, 11)])
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("groups", [(1, 1), (1, 0)], ids=["one group", "two groups"])
def test_rows_of_a_mixed_step_are_those_of_each_stream(windows, rank, groups):
    torch.manual_seed(1)
    first = rank * HEADS
    layers, fakes = {}, {}
    kept = StepQueries(2, 8, (HEADS, SIZE), torch.float32, torch.device("cpu"))
    for place, (index, window) in enumerate(zip((3, 5), windows, strict=True)):
        form = AttentionForm(0.2, window, 8.0, torch.randn(HEADS))
        fakes[index] = FakeLayer("kounj")
        keys = KeyCache(fakes[index])
        layers[index] = Layer(
            kept,
            place,
            keys,
            form,
            first,
            HEADS,
            KEY_HEADS,
            group=groups[place],
            block_size=2 * BLOCK,
        )
    heads = [(3, HEADS * (1 - rank)), (5, first + 2), (3, first), (3, first + 3)]
    parts, expected, fed = [], [], {3: [], 5: []}
    for blocks, (begin, end) in [([2, 4], (20, 23)), ([1], (5, 6)), ([5, 3], (17, 18))]:
        allotted = [[6 - block for block in blocks], blocks]
        columns = list(range(0, end, 2))
        right = torch.zeros(end - begin, len(heads), len(columns))
        for index, layer in layers.items():
            query, key = torch.randn(HEADS, end - begin, SIZE), torch.randn(KEY_HEADS, end, SIZE)
            table = [block * 2 + half for block in allotted[layer.group] for half in (0, 1)]
            slots = [table[p // BLOCK] * BLOCK + p % BLOCK for p in range(end)]
            fake = fakes[index]
            fake.update(
                fake, key.transpose(0, 1), key.transpose(0, 1), fake.kv_cache, torch.tensor(slots)
            )
            fed[index].append((query.transpose(0, 1), torch.tensor(slots[begin:])))
            rows = attention_rows(query, key, range(HEADS), layer.form)[..., columns]
            for place, (of, head) in enumerate(heads):
                if of == index and layer.has(head):
                    right[:, place] = rows[head - first]
        parts.append(Part(Wanted("key", "ipc://rows", begin, heads, columns, allotted), begin, end))
        expected.append(right)
    for index, layer in layers.items():
        kept.keep(layer.place, *map(torch.cat, zip(*fed[index], strict=True)))
    step = StepRows(layers, torch.device("cpu"))
    [batch] = step.gather(parts, 5)
    queries = kept.queries.clone()
    kept.queries.zero_()  # as the next step may
    for rows, right in zip(batch.rows(), expected, strict=True):
        torch.testing.assert_close(rows, right)
    kept.queries.copy_(queries)
    kept.slots[1, 1] = -1  # as a layer that did not see the first token
    [batch] = step.gather(parts, 5)
    rows, *_ = batch.rows()
    assert rows[0, 1].isnan().all() and not rows[0, (0, 2, 3)].isnan().any()


def scheduled(new=(), cached=(), counts=None, resumed=(), zeroed=None, copied=None, linked=None):
    return SimpleNamespace(
        scheduled_new_reqs=[
            SimpleNamespace(
                req_id=name,
                block_ids=(blocks,),
                num_computed_tokens=computed,
                sampling_params=SimpleNamespace(extra_args=extra),
            )
            for name, blocks, computed, extra in new
        ],
        scheduled_cached_reqs=SimpleNamespace(
            req_ids=[name for name, _, _ in cached],
            new_block_ids=[blocks and (blocks,) for _, blocks, _ in cached],
            num_computed_tokens=[computed for _, _, computed in cached],
            resumed_req_ids=set(resumed),
        ),
        num_scheduled_tokens=counts,
        new_block_ids_to_zero=zeroed,
        kv_cache_block_copies=copied,
        kv_connector_metadata=linked,
    )


def test_the_ledger_follows_chunks_growth_preemption_and_strangers():
    ledger = Ledger()
    extra = {"key": "k", "to": "ipc://rows", "first": 9, "heads": [[0, 1]], "columns": [2]}
    requests = [("a", [4], 0, {"alignatt": extra}), ("b", [5], 0, {"alignatt": "no rows"})]
    step = scheduled(requests, counts={"a": 6, "b": 6})
    assert ledger.parts(step) == []
    [part] = ledger.parts(
        scheduled(cached=[("a", [7], 6), ("b", None, 6)], counts={"a": 6, "b": 1})
    )
    assert (part.begin, part.end, part.wanted.blocks) == (9, 12, [[4, 7]])
    assert part.wanted.heads == ((0, 1),)
    [part] = ledger.parts(scheduled(cached=[("a", None, 12)], counts={"a": 1}))
    assert (part.begin, part.end, part.wanted.blocks) == (12, 13, [[4, 7]])
    [part] = ledger.parts(scheduled(cached=[("a", [1, 2], 0)], counts={"a": 14}, resumed=["a"]))
    assert (part.begin, part.end, part.wanted.blocks) == (9, 14, [[1, 2]])
    ledger.forget(["b", "a", "a"])
    assert ledger.parts(scheduled(cached=[("a", None, 14)], counts={"a": 1})) == []


def test_the_ledger_knows_which_steps_write_where_rows_are_read():
    ledger = Ledger()
    extra = {"key": "k", "to": "ipc://rows", "first": 0, "heads": [[0, 1]], "columns": [0]}
    requests = [("a", [4, 5], 0, {"alignatt": extra}), ("b", [6], 0, None)]
    assert not ledger.overwritten_by(scheduled(requests))
    ledger.parts(scheduled(requests, counts={"a": 12, "b": 6}))
    on, into = ("a", None, 12), ("b", [5], 6)
    for step, overwrites in [
        (scheduled(cached=[on]), False),
        (scheduled(cached=[on, ("b", [7], 6)]), False),
        (scheduled(cached=[("a", [8], 12)]), False),
        (scheduled(cached=[into]), True),
        (scheduled(cached=[("b", [4, 9], 0)], resumed=["b"]), True),
        (scheduled([("c", [3, 4], 0, None)], [on]), True),
        (scheduled([("c", [3, 6], 0, None)], [on]), False),
        (scheduled(cached=[on], zeroed=[9]), True),
        (scheduled(cached=[on], copied=["of a block"]), True),
        (scheduled(cached=[on], linked="another machine's keys"), True),
    ]:
        assert ledger.overwritten_by(step) is overwrites
    ledger.parts(scheduled(cached=[("b", None, 6)], counts={"b": 1}))
    assert not ledger.overwritten_by(scheduled(cached=[into])), "no row of this step is wanted"


@given(st.integers(1, 4), st.integers(0, 3), st.integers(0, 5))
def test_steps_survive_the_wire(count, heads, width):
    rows = np.random.default_rng(0).random((count, heads, width), np.float32)
    step = Step(list(range(count)), [-0.5] * count, rows, [(7, -0.25)])
    back = step_from_line(step_to_line(step))
    assert (back.tokens, back.logprobs) == (step.tokens, step.logprobs)
    assert back.candidates == step.candidates
    np.testing.assert_array_equal(back.rows, rows)


def test_an_error_at_the_engine_is_an_error_here():
    with pytest.raises(AlignattError, match="out of memory"):
        step_from_line(error_to_line("out of memory"))


class FakeEngine:
    """Answers asks as vLLM does, with a transformers model; a ``forgetful`` one ignores guesses."""

    def __init__(self, packed, tokenizer, forgetful=False):
        self.packed, self.forgetful = packed, forgetful
        self.served = Served(511, 4, 4, (0, 1, 3))
        self.asked, self.closed = 0, 0

    def steps(self, ask: Ask):
        self.asked += 1
        guess = 0 if self.forgetful else ask.guess
        ids = list(ask.ids[: len(ask.ids) - ask.guess + guess])
        stream, columns = Stream(ask.heads), torch.tensor(ask.columns)
        try:
            for count in range(ask.budget + ask.guess - guess):
                wanted = guess + 1 if count == 0 else 1
                feed = Feed(stream, ids[len(stream.ids) :], wanted, columns)
                self.packed.run([feed])
                logprobs = feed.logits.float().log_softmax(-1)
                best = logprobs.argmax(-1)
                ids.append(int(best[-1]))
                likely = logprobs[0].topk(ask.candidates)
                candidates = zip(likely.indices.tolist(), likely.values.tolist(), strict=True)
                chosen = logprobs.gather(1, best[:, None])[:, 0].tolist()
                yield Step(best.tolist(), chosen, feed.rows.numpy(), list(candidates))
        finally:
            self.closed += 1

    def close(self):
        pass


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = save_checkpoint(tmp_path_factory.mktemp("gemma3"), "gemma3")
    return TransformersTranslator(folder, threads=1, dtype=torch.float32)


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("row", ["predicting", "own"])
def test_drafts_over_an_engine_are_those_of_transformers(reference, row, forgetful):
    engine = FakeEngine(reference.packed, reference.tokenizer, forgetful)
    served = VllmTranslator(engine, "tiny", reference.tokenizer, reference.model.generation_config)
    for seed in range(3):
        drafter, other = served.open(PAIR, head_set(row)), reference.open(PAIR, head_set(row))
        pairs = zip(drafts(lambda d=drafter: d, seed), drafts(lambda d=other: d, seed), strict=True)
        for one, right in pairs:
            assert_same(one, right)
    assert engine.closed == engine.asked, "every request has been ended"


def test_heads_that_cannot_be_read_are_refused(reference):
    served = VllmTranslator(
        FakeEngine(reference.packed, reference.tokenizer), "tiny", byte_level_tokenizer(), None
    )
    with pytest.raises(AlignattError, match="layers 0, 1, 3; start it with this head set"):
        served.engine.served.check([(2, 0)])
    with pytest.raises(AlignattError, match="4 layers of 4 heads"):
        served.engine.served.check([(1, 4)])
    with pytest.raises(PromptTooLong):
        served.open(PAIR, head_set()).draft(prompt(["word"] * 300), 20)
