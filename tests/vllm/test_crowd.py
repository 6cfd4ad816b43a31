"""Rows of a crowd: exact, complete, and changing no bit of what vLLM computes."""

import pytest

pytest.importorskip(
    "vllm.sampling_params", reason="vLLM is not installed; 'make test-vllm' brings it"
)

from crowd import NEW, Crowd, checkpoint, largest_difference, reference

FAMILIES = ["qwen3", "llama", "gemma3", "gemma4"]
COMPILED = {"enforce_eager": False}


def results(folder, family, runs=2, **options):
    """Results with rows, and of vLLM as it comes, from the same runs."""
    path = folder if (folder / "config.json").exists() else checkpoint(folder, family)
    found = []
    for rows in (True, False):
        crowd = Crowd(path, rows=rows, **options)
        found.append([crowd.run() for _ in range(runs)])
        crowd.close()
    return found


def holds(family, with_rows, without):
    for one, other in zip(with_rows, without, strict=True):
        assert one.tokens == other.tokens
        assert one.logprobs == other.logprobs, "the capture changed what vLLM computes"
        assert all(len(tokens) == NEW for tokens in one.tokens)
    model = reference(family)
    for one in with_rows:
        assert largest_difference(model, one) < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_the_models_own_weights_and_outputs_are_untouched(tmp_path, family):
    with_rows, without = results(tmp_path, family)
    holds(family, with_rows, without)
    assert with_rows[1].cached > with_rows[0].cached >= 0


@pytest.mark.parametrize(("family", "blocks"), [("qwen3", 14), ("gemma4", 26)])
def test_rows_survive_preemption(tmp_path, family, blocks):
    with_rows, without = results(tmp_path, family, blocks=blocks)
    holds(family, with_rows, without)
    assert sum(result.preemptions for result in with_rows) > 0


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=[pytest.mark.slow] * (name != "gemma3")) for name in FAMILIES]
)
def test_rows_survive_compilation(tmp_path, family):
    with_rows, without = results(tmp_path, family, **COMPILED)
    holds(family, with_rows, without)
