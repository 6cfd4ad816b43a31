"""Rows of a crowd: exact, complete, and changing no bit of what vLLM computes."""

from time import sleep

import pytest

pytest.importorskip(
    "vllm.sampling_params", reason="vLLM is not installed; 'make test-vllm' brings it"
)

from crowd import NEW, TINY, Crowd, checkpoint, largest_difference, prompts, reference, sharing

FAMILIES = ["qwen3", "llama", "gemma3", "gemma4"]
COMPILED = {"enforce_eager": False}


def results(folder, family, **options):
    """Results with rows, and of vLLM as it comes, from the same runs."""
    path, found = checkpoint(folder, family), []
    for rows in (True, False):
        crowd = Crowd(path, rows=rows, **{**TINY, **options})
        found.append([crowd.run(prompts()) for _ in range(2)])
        crowd.close()
    return found


def holds(family, with_rows, without):
    for one, other in zip(with_rows, without, strict=True):
        assert one.tokens == other.tokens
        assert one.logprobs == other.logprobs, "the capture changed what vLLM computes"
        assert all(len(tokens) == NEW for tokens in one.tokens)
    model = reference(family)
    for one in with_rows:
        assert largest_difference(model, prompts(), one) < 1e-4


@pytest.mark.parametrize("family", [pytest.param("llama", marks=pytest.mark.slow), "gemma3"])
def test_rows_are_the_models_own_weights_and_outputs_are_untouched(tmp_path, family):
    with_rows, without = results(tmp_path, family)
    holds(family, with_rows, without)
    assert with_rows[1].cached > with_rows[0].cached >= 0


def test_a_beginning_that_a_crowd_shares_is_read_once(tmp_path, monkeypatch):
    from alignatt4llm.translators.vllm import rows

    found, count = [], rows._shared
    monkeypatch.setattr(rows, "_shared", lambda tables: found.append(count(tables)) or found[-1])
    crowd = Crowd(checkpoint(tmp_path, "gemma3"), rows=True, **TINY)
    crowd.run(sharing())
    result = crowd.run(sharing())  # from the prefix cache, so in the very same blocks
    crowd.close()
    assert len(sharing()) >= rows.SHARERS and max(found) >= 2
    assert largest_difference(reference("gemma3"), sharing(), result) < 1e-4


@pytest.mark.parametrize(("family", "blocks"), [("qwen3", 14), ("gemma4", 26)])
def test_rows_survive_preemption_however_late_they_are_read(tmp_path, monkeypatch, family, blocks):
    from alignatt4llm.translators.vllm import rows

    read = rows.Batch.rows
    monkeypatch.setattr(rows.Batch, "rows", lambda batch: sleep(0.05) or read(batch))
    with_rows, without = results(tmp_path, family, num_gpu_blocks_override=blocks)
    holds(family, with_rows, without)
    assert sum(result.preemptions for result in with_rows) > 0


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "gemma3")) for name in FAMILIES],
)
def test_rows_survive_compilation(tmp_path, family):
    with_rows, without = results(tmp_path, family, **COMPILED)
    holds(family, with_rows, without)
