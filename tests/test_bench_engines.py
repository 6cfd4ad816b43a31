"""Both engines are measured by the same passes, which compute what the models compute."""

import json
import subprocess
import sys
from contextlib import ExitStack
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
import torch
from gguf import GGUFReader, GGUFWriter
from tiny import EVERY_HEAD, VOCABULARY
from tiny_gguf import save_gguf

from alignatt4llm.bench import beside_llamacpp, streamed, trial
from alignatt4llm.bench.beside_llamacpp import Stock
from alignatt4llm.bench.beside_transformers import Plain, load
from alignatt4llm.bench.crowd import Crowd
from alignatt4llm.bench.figures import FIGURES
from alignatt4llm.bench.measurements import Talk, draft
from alignatt4llm.bench.plan import Item, Plan, Stage, quick, whole
from alignatt4llm.bench.run import run
from alignatt4llm.bench.streamed import Bench, excerpt, replay, talk
from alignatt4llm.bench.trial import MEASUREMENTS, Trial, Tried
from alignatt4llm.cli.main import main
from alignatt4llm.delays import peak_memory_mb
from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Loaded, Stepping
from alignatt4llm.translators.llamacpp.translator import LlamaTranslator
from alignatt4llm.translators.transformers import TransformersTranslator

PAIR = Pair.parse("en-de")
HEADS = HeadSet("tiny", "en-de", ((1, 2), (3, 0)))
ENGINES = ("transformers", "llama.cpp")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same weights as a folder and as a file."""
    folder = tmp_path_factory.mktemp("same")
    file = folder / "tiny.gguf"
    model, tokenizer = save_gguf(file, "gemma3", max_position_embeddings=2048)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, file


@pytest.fixture(scope="module")
def translators(files):
    folder, file = files
    llama = LlamaTranslator(file, threads=1, streams=4, precise=True)
    yield {
        "transformers": TransformersTranslator(folder, threads=1, dtype=torch.float32),
        "llama.cpp": llama,
    }
    llama.close()


@pytest.fixture(params=ENGINES)
def bench(request, translators):
    return Bench(translators[request.param], PAIR, HEADS, LATENCIES["medium"])


@pytest.fixture(scope="module")
def lanes(files, translators):
    """Starts a lane of every kind: this package's, and those of the libraries alone."""
    model, inside = load(str(files[0])), translators["llama.cpp"].inside
    return {
        "transformers": lambda: translators["transformers"].lane(EVERY_HEAD),
        "llama.cpp": lambda: translators["llama.cpp"].lane(EVERY_HEAD),
        "sdpa": lambda: Plain(model, "sdpa"),
        "eager": lambda: Plain(model, "eager", EVERY_HEAD),
        "stock": lambda: Stock(inside, 1),
    }


@pytest.fixture
def lane(request, lanes):
    with ExitStack() as stack:

        def start(kind):
            found = lanes[kind]()
            stack.callback(found.close)
            return found

        yield start


LANES = ("transformers", "llama.cpp", "sdpa", "eager", "stock")
IDS = np.random.default_rng(5).integers(3, VOCABULARY, 700).tolist()


@pytest.mark.parametrize("kind", LANES)
@pytest.mark.parametrize(
    "walk",
    [
        [(30, 1)],
        [(30, 1), (30, 1), (30, 1)],
        [(30, 1), (31, 1), (35, 4), (35, 16), (20, 2)],
        [(8, 8), (40, 1), (3, 3)],
        [(600, 1), (601, 1), (40, 40)],
    ],
)
def test_a_lane_computes_what_a_fresh_one_does(lane, kind, walk):
    columns = np.arange(1, 3)
    walked = lane(kind)
    for count, wanted in walk:
        fresh = lane(kind)
        fresh.keep(0)
        one, other = (each.feed(IDS[:count], wanted, columns) for each in (walked, fresh))
        assert one.best == other.best
        assert (one.rows is None) == (other.rows is None) == (kind in ("sdpa", "stock"))
        if one.rows is not None:
            assert one.rows.shape == (wanted, len(EVERY_HEAD), 2)
            np.testing.assert_allclose(one.rows, other.rows, atol=1e-5)


@pytest.mark.parametrize("kind", ENGINES)
def test_only_what_a_lane_does_not_hold_is_computed(lane, kind, translators):
    counters, walked, fed = translators[kind].stepper.counters, lane(kind), []
    for ids, wanted in ((IDS[:50], 1), (IDS[:50], 1), (IDS[:52], 1), (IDS[:52], 16), (IDS[:9], 1)):
        before = counters.tokens
        walked.feed(ids, wanted)
        fed.append(counters.tokens - before)
    walked.keep(4)
    before = counters.tokens
    walked.feed(IDS[:9])
    assert [*fed, counters.tokens - before] == [50, 1, 2, 16, 1, 5]


@pytest.mark.parametrize("kind", LANES)
def test_every_lane_drafts_the_same_tokens_and_rows(lane, kind):
    said, rows = draft(lane(kind), IDS[:40], 6, np.arange(40))
    expected, own = draft(lane("eager"), IDS[:40], 6, np.arange(40))
    assert said == expected
    if rows:
        np.testing.assert_allclose(np.array(rows), np.array(own), atol=1e-4)
    assert draft(lane(kind), IDS[:40], 6) == (said, [])


@pytest.mark.parametrize("engine", ENGINES)
def test_heads_that_are_not_there_have_no_lane(translators, engine):
    assert isinstance(translators[engine], Stepping)
    with pytest.raises(AlignattError, match=r"head \(9, 0\)"):
        translators[engine].lane([(9, 0)])


def test_a_replay_accounts_for_every_chunk(bench):
    words = excerpt(talk(), 0.0, 12.0)
    done = replay(bench, words)
    assert len(done.chunks) == int(words[-1].end / bench.latency.chunk) + 1
    assert 0 < [bool(seconds) for seconds in done.chunks].count(True) <= len(done.prompts)
    assert len(done.memory) == len(done.chunks)
    assert 0 < done.memory[-1] <= peak_memory_mb() + 1
    assert replay(bench, words).text == done.text


def test_a_talk_that_is_cut_off_is_not_translated_to_its_end(bench):
    words = excerpt(talk(), 0.0, 60.0)
    cut = Talk(bench, words)
    for _ in range(12):
        cut.turn()
    found = cut.figures()
    whole = replay(bench, words)
    assert whole.text.startswith(cut.stream.text)
    asked = len(cut.stream.prompts)
    assert 0 < asked < len(whole.prompts) / 2
    assert found["passes_per_chunk"] >= asked / 12
    cost = found["passes_per_chunk"], found["tokens_per_chunk"]
    again = Talk(bench, excerpt(talk(), 0.0, 9.0))
    for _ in range(12):
        again.turn()
    same = again.figures()
    assert (same["passes_per_chunk"], same["tokens_per_chunk"]) == cost


def test_a_crowd_says_what_its_streams_say_alone(bench):
    streams = [excerpt(talk(), begin, 8.0) for begin in (0.0, 10.0, 20.0)]
    crowd = Crowd(bench, streams)
    assert [crowd.turn() for _ in range(4)] == [True, True, True, False]
    found = crowd.figures()
    assert found["same_text"] == 1.0
    assert found["together_over_in_turn"] > 0
    assert found["chunk_over_share"] > 0


@pytest.mark.parametrize(
    "tensors, expected",
    [
        ({"token_embd.weight": 8, "blk.0.ffn_up.weight": 6}, 4 * 14),
        ({"token_embd.weight": 8, "blk.0.ffn_up.weight": 6, "output.weight": 8}, 4 * 14),
        ({"token_embd.weight": 8, "output_norm.weight": 2}, 4 * 10),
        ({"output.weight": 3}, 4 * 3),
    ],
)
@pytest.mark.parametrize(
    "name", ["tiny.gguf", "tiny-00001-of-00002.gguf", "odd [1] * name-00001-of-00001.gguf"]
)
def test_a_step_reads_all_weights_but_embeddings_apart(tmp_path, tensors, expected, name):
    parts = [name.replace("-00001-", f"-{n:05}-") for n in (1, 2)] if "00002" in name else [name]
    shares = [{}, tensors] if len(parts) == 2 else [tensors]
    for part, share in zip(parts, shares, strict=True):
        write(tmp_path / part, share)
    write(tmp_path / "another.gguf", {"output.weight": 999})
    assert beside_llamacpp.weight_bytes(tmp_path / name) == expected


def write(file, tensors):
    writer = GGUFWriter(file, "llama")
    for name, count in tensors.items():
        writer.add_tensor(name, np.zeros(count, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_weights_are_counted_as_stored(files):
    stored = sum(tensor.n_bytes for tensor in GGUFReader(files[1]).tensors)
    assert beside_llamacpp.weight_bytes(files[1]) == stored


class Here(Trial):
    """A trial in this process."""

    turns: ClassVar[list[str]] = []

    def turn(self):
        self.turns.append(self.tried.name)
        return super().turn()

    def close(self):
        if isinstance(self.bench.translator, LlamaTranslator):
            self.bench.translator.close()


@pytest.fixture
def short(monkeypatch):
    """A plan in which everything is short."""
    words = excerpt(talk(), 0.0, 5.0)
    monkeypatch.setattr(trial, "talk", lambda: words)
    monkeypatch.setattr(trial, "repeated", lambda minutes: excerpt(talk(), 0.0, 25.0))
    monkeypatch.setattr(trial, "crowded", lambda streams: [words] * 2)
    plan = whole(LATENCIES["medium"].chunk, 10, 1)
    once = [item.times(min(item.turns, 36)) for item in plan.stages[0].items]
    crowd = Stage((plan.stages[1].items[0].times(3),), 3)
    return Plan((Stage(tuple(once)), crowd), 1.0)


def loads(files, monkeypatch):
    """Have engines load the tiny model."""
    folder, file = files

    def load_translator(engine, asked):
        if engine == "transformers":
            made = TransformersTranslator(folder, threads=1, dtype=torch.float32)
            return Loaded("tiny", str(folder), made)
        return Loaded("tiny", str(file), LlamaTranslator(file, threads=1, streams=asked.streams))

    monkeypatch.setattr("alignatt4llm.interpreter.load_translator", load_translator)


def test_every_figure_is_there_or_has_a_reason(files, short, monkeypatch):
    loads(files, monkeypatch)
    monkeypatch.setattr(Here, "turns", [])
    systems = [System("tiny", engine=engine, heads=HEADS) for engine in ENGINES]
    tried = [Tried(system, PAIR, "medium", 1.0) for system in systems]
    found = run(tried, short, lambda message: None, Here)
    assert [(each.engine, each.model) for each in found] == [(e, "tiny") for e in ENGINES]
    for each in found:
        assert not each.figures.keys() & each.left_out.keys()
        assert each.figures.keys() | each.left_out.keys() == FIGURES.keys()
        assert all(np.isfinite(value) for value in each.figures.values())
    assert found[0].left_out == {}
    assert found[1].left_out.keys() == {"exact_over_chunk", "row_error"}
    assert found[0].figures["row_error"] < 1e-4
    again = sum(one == other for one, other in pairwise(Here.turns))
    assert again <= 1  # the rows, which only one of them has


@pytest.mark.parametrize("engine", ENGINES)
def test_the_command_measures_in_processes_and_writes_all(files, engine, tmp_path, capsys):
    model = dict(zip(ENGINES, map(str, files), strict=True))[engine]
    heads, path = tmp_path / "heads.json", tmp_path / "bench.json"
    HEADS.save(heads)
    options = ["--quick", "--engine", engine, "--model", model, "--heads", str(heads)]
    assert main(["bench", *options, "--json", str(path)]) == 0
    record = json.loads(path.read_text("utf-8"))
    [found] = record["systems"]
    assert (found["engine"], found["model"]) == (engine, model)
    assert found["figures"].keys() | found["left_out"].keys() == FIGURES.keys()
    assert {"step_ms", "peak_memory_mb", "step_over_library"} <= found["figures"].keys()
    assert found["facts"]["threads"] >= 1
    assert record["ratios"] == {}
    said = capsys.readouterr()
    assert "a decode step, ms" in said.out
    told = (line.partition(",")[0] for line in said.err.splitlines() if " of 6" in line)
    assert list(dict.fromkeys(told)) == [f"measuring: {n} of 6" for n in range(1, 7)]


def test_more_streams_are_asked_of_the_engine(files, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "alignatt4llm.interpreter.load_translator",
        lambda engine, what: asked.append(what.streams) or Loaded("tiny", "", None),
    )
    Interpreter(System("embedded"))
    Interpreter(System("embedded"), streams=8)
    assert asked == [1, 8]


@pytest.mark.parametrize("plan", [whole(0.7, 10, 5), whole(1.4, 120, 1), quick()])
def test_plans_name_every_figure_once(plan):
    items = [item for stage in plan.stages for item in stage.items]
    assert all(isinstance(item, Item) and item.name in MEASUREMENTS for item in items)
    planned = [name for item in items for name in item.figures]
    assert sorted([*planned, *plan.left_out]) == sorted(FIGURES)
    assert all(item.turns >= 1 and item.steps > 0 for item in items)


def test_the_whole_plan_replays_all_of_the_talk():
    items = {item.name: item for stage in whole(0.7, 10, 5).stages for item in stage.items}
    assert items["talk"].turns == streamed.chunks(talk(), 0.7)
    assert items["long"].turns * 0.7 == pytest.approx(600, abs=10)
    assert items["steps"].turns == 5


def test_quick_bounds_what_each_part_takes():
    assert sum(item.seconds for stage in quick().stages for item in stage.items) < 120


def test_llama_cpp_is_measured_without_torch():
    code = (
        "import sys; sys.modules |= dict.fromkeys(('torch', 'transformers'))\n"
        "import alignatt4llm.bench.run, alignatt4llm.bench.tables\n"
        "import alignatt4llm.bench.beside_llamacpp\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
