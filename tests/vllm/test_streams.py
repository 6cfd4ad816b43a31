"""Many streams on one vLLM engine say what each says on transformers."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip(
    "vllm.sampling_params", reason="vLLM is not installed; 'make test-vllm' brings it"
)

import psutil
import torch
from crowd import checkpoint
from sessions import decided
from test_drafting import PAIR, assert_same, drafts, head_set, held_by_mass, prompt

from alignatt4llm.bench.engine import crowded, prompts
from alignatt4llm.errors import AlignattError, PromptTooLong
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import head_set_for
from alignatt4llm.translators.transformers import TransformersTranslator
from alignatt4llm.translators.vllm.steps import Ask
from alignatt4llm.translators.vllm.translator import VllmTranslator

SLOW = pytest.mark.slow
WIDE = pytest.mark.skipif(
    not torch.cpu._is_avx512_supported(), reason="vLLM itself refuses 8 bits without AVX-512"
)
GUESSING = {"method": "ngram", "num_speculative_tokens": 2}


@pytest.fixture(scope="module", params=["gemma3", pytest.param("llama", marks=SLOW)])
def pair_of_translators(request, tmp_path_factory):
    folder = checkpoint(tmp_path_factory.mktemp("streams"), request.param)
    options = {"dtype": "float32", "max_model_len": 1024}
    served = VllmTranslator.local(folder, "tiny", [0, 1, 3], options)
    yield served, TransformersTranslator(folder, threads=1, dtype=torch.float32)
    served.close()


@pytest.mark.parametrize("row", ["predicting", "own"])
def test_drafts_of_a_crowd_are_those_of_transformers(pair_of_translators, row):
    served, reference = pair_of_translators

    def run(translator, seed):
        drafter = translator.open(PAIR, head_set(row))
        return drafts(lambda: drafter, seed)

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda seed: run(served, seed), range(6)))
    for seed, made in enumerate(found):
        for one, other in zip(made, run(reference, seed), strict=True):
            assert_same(one, other)


def test_a_draft_asked_for_again_may_find_its_guess_in_the_cache(pair_of_translators):
    served, _ = pair_of_translators
    words = ["the", "train", "leaves", "at", "seven", "we", "found", "memory"] * 3
    drafter = served.open(PAIR, head_set())
    first = drafter.draft(prompt(words), 40)
    again = drafter.draft(prompt(words), 40)
    assert_same(first, again)
    stopped = drafter.draft(prompt(words), 40, held_by_mass(0.05))
    assert stopped.ids == first.ids[: len(stopped.ids)]


def test_the_benchmark_measures_a_crowd(pair_of_translators):
    served, reference = pair_of_translators
    asked = prompts(reference.vocabulary, reference.prompt_form(PAIR))
    found = crowded(served.engine, [(0, 0), (3, 1)], asked[:2], repeats=1)
    assert all(arms["plain"] > 0 and arms["rows"] > 0 for arms in found.values())


def test_requests_that_are_closed_leave_nothing_behind(pair_of_translators):
    served, _ = pair_of_translators
    steps = served.engine.steps(Ask(list(range(3, 60)), 0, 200, [(0, 0)], [1, 2]))
    assert next(steps).rows.shape == (1, 1, 2)
    steps.close()
    assert not served.engine._source._inbox._expected


def test_ctrl_c_is_not_for_the_engine(pair_of_translators):
    served, _ = pair_of_translators
    before = served.open(PAIR, head_set()).draft(prompt(["the"]), 6)
    for process in psutil.Process().children(recursive=True):
        process.send_signal(signal.SIGINT)
    assert_same(served.open(PAIR, head_set()).draft(prompt(["the"]), 6), before)


def test_heads_and_prompts_that_do_not_fit_are_refused(pair_of_translators):
    served, _ = pair_of_translators
    with pytest.raises(AlignattError, match="started for rows of layers 0, 1, 3"):
        served.open(PAIR, HeadSet("tiny", "en-de", ((2, 0),)))
    with pytest.raises(AlignattError, match="4 layers of 4 heads"):
        served.open(PAIR, HeadSet("tiny", "en-de", ((0, 9),)))
    with pytest.raises(PromptTooLong):
        served.open(PAIR, head_set()).draft(prompt(["word"] * 700), 24)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param({"speculative_config": GUESSING}, "speculative", marks=SLOW),
        pytest.param({"kv_cache_dtype": "fp8"}, "CPU_ATTN.*'fp8'", marks=[SLOW, WIDE]),
        ({"max_model_len": 10**6}, "vLLM does not start"),
    ],
)
def test_ways_of_running_without_rows_are_refused(tmp_path, options, sentence):
    folder = checkpoint(tmp_path, "llama")
    with pytest.raises(AlignattError, match=sentence):
        VllmTranslator.local(folder, "tiny", None, {"max_model_len": 512, **options})


@pytest.mark.skipif(torch.cuda.is_available(), reason="of CPUs")
@pytest.mark.parametrize(("can", "dtype"), [(True, "auto"), (False, "float32")])
def test_cpus_without_bfloat16_compute_in_float32(monkeypatch, can, dtype):
    from alignatt4llm.translators.vllm import local

    monkeypatch.setattr(local, "computes_bfloat16", lambda: can)
    assert local.engine_settings(None)["dtype"] == dtype


def test_layers_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(AlignattError, match=r"Rows of layer 9 .* are 0, 1, 2, 3"):
        VllmTranslator.local(checkpoint(tmp_path, "llama"), "tiny", [0, 9], {"max_model_len": 512})


def test_a_stream_commits_and_holds_as_on_transformers(embedded_llm):
    heads = head_set_for("gemma-3-270m", "en-de")
    layers = sorted({layer for layer, _ in heads.heads})
    served = VllmTranslator.local(embedded_llm, "embedded", layers, {"dtype": "float32"})
    said, held = decided(served, heads)
    served.close()
    reference = TransformersTranslator(embedded_llm, threads=1, dtype=torch.float32)
    assert (said, held) == decided(reference, heads)
    assert len(said) > 4
    assert any(hold for trace in held for *_, hold in trace)
