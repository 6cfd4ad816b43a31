"""Sixteen requests at once on a tiny model, with vLLM's own synchronous engine."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
from tiny import EVERY_HEAD, VOCABULARY, save_checkpoint, tiny_model

REQUESTS, LONGEST, NEW = 16, 150, 24
BLOCK = 32
_SIZES = {"head_dim": 32, "max_position_embeddings": 512}
SIZES = {
    "gemma4": {**_SIZES, "global_head_dim": 64, "sliding_window": 48},
    "gemma3": {**_SIZES, "sliding_window": 48},
    "gemma2": {**_SIZES, "sliding_window": 48},
}
"""CPU attention wants heads of 32; the window is shorter than prompts and longer than a block."""

PLENTY = 256
"""Blocks of the cache, more than all requests need."""


def checkpoint(folder: Path, family: str) -> Path:
    return save_checkpoint(folder / family, family, **SIZES.get(family, _SIZES))


def reference(family: str):
    model = tiny_model(family, **SIZES.get(family, _SIZES))
    model.set_attn_implementation("eager")
    return model


def prompts() -> list[list[int]]:
    """Prompts of many lengths; half of them share their first 70 tokens."""
    random = torch.Generator().manual_seed(11)
    shared = torch.randint(3, VOCABULARY, (70,), generator=random).tolist()
    lengths = torch.randint(20, LONGEST, (REQUESTS,), generator=random).tolist()
    own = [torch.randint(3, VOCABULARY, (n,), generator=random).tolist() for n in lengths]
    return [[*shared, *ids[: LONGEST - 70]] if n % 2 else ids for n, ids in enumerate(own)]


@dataclass
class Result:
    tokens: list[list[int]]
    logprobs: list[list[float]]
    rows: list[dict[int, np.ndarray]]
    preemptions: int
    cached: int


class Crowd:
    """A vLLM engine, with rows or exactly as it comes."""

    def __init__(self, folder: Path, *, rows: bool, blocks: int = PLENTY, **options):
        from vllm import LLM

        from alignatt4llm.translators.vllm.local import WORKER

        self.rows = rows
        self.llm = LLM(
            str(folder),
            dtype="float32",
            max_model_len=256,
            block_size=BLOCK,
            num_gpu_blocks_override=blocks,
            max_num_batched_tokens=64,
            max_num_seqs=REQUESTS,
            disable_log_stats=False,
            use_tqdm_on_load=False,
            **({"worker_cls": WORKER} if rows else {}),
            **{"enforce_eager": True, **options},
        )
        self._keys = map(str, count())

    def run(self) -> Result:
        """Run all prompts at once; the second run finds the first one's prefixes."""
        from vllm import SamplingParams

        asked, keys = prompts(), [next(self._keys) for _ in range(REQUESTS)]
        before = self._preemptions()
        wanted = [
            {
                "key": key,
                "first": len(ids) - 1,
                "heads": [list(head) for head in EVERY_HEAD],
                "columns": list(range(0, len(ids), 3)),
            }
            for key, ids in zip(keys, asked, strict=True)
        ]
        parameters = [
            SamplingParams(
                temperature=0,
                max_tokens=NEW,
                ignore_eos=True,
                logprobs=1,
                detokenize=False,
                extra_args={"alignatt": extra} if self.rows else None,
            )
            for extra in wanted
        ]
        inputs = [{"prompt_token_ids": ids} for ids in asked]
        outputs = self.llm.generate(inputs, parameters, use_tqdm=False)
        tokens = [list(output.outputs[0].token_ids) for output in outputs]
        logprobs = [
            [entry[token].logprob for token, entry in zip(ids, o.outputs[0].logprobs, strict=True)]
            for ids, o in zip(tokens, outputs, strict=True)
        ]
        cached = sum(output.num_cached_tokens for output in outputs)
        preemptions = self._preemptions() - before
        return Result(tokens, logprobs, self._taken(keys), preemptions, cached)

    def _taken(self, keys: list[str]) -> list[dict[int, np.ndarray]]:
        if not self.rows:
            return []
        rows: dict[str, dict[int, np.ndarray]] = {key: {} for key in keys}
        [answer] = self.llm.collective_rpc("take_rows", args=(keys, []))
        for key, begin, shape, raw in answer:
            rows[key].update(enumerate(np.frombuffer(raw, np.float32).reshape(shape), begin))
        return list(rows.values())

    def _preemptions(self) -> int:
        named = (m for m in self.llm.get_metrics() if m.name == "vllm:num_preemptions")
        return sum(metric.value for metric in named)

    def close(self) -> None:
        self.llm.llm_engine.engine_core.shutdown(30)
        del self.llm


@torch.inference_mode()
def largest_difference(model, result: Result) -> float:
    """Compare every row with the model's own weights; a missing row is infinitely different."""
    worst = 0.0
    for ids, new, rows in zip(prompts(), result.tokens, result.rows, strict=True):
        whole = torch.tensor([[*ids, *new]])
        attentions = model(whole, output_attentions=True, use_cache=False).attentions
        for position in range(len(ids) - 1, len(ids) + len(new) - 1):
            if position not in rows:
                return np.inf
            seen = [attentions[layer][0, head, position] for layer, head in EVERY_HEAD]
            own = torch.stack(seen)[:, : len(ids) : 3].numpy()
            if not np.isfinite(rows[position]).all():
                return np.inf
            worst = max(worst, float(np.abs(own - rows[position]).max()))
    return worst
