"""Sixteen requests at once, with vLLM's own synchronous engine."""

import gc
import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import torch
import zmq
from tiny import EVERY_HEAD, VOCABULARY, save_checkpoint, tiny_model

from alignatt4llm.translators.vllm.mail import opened

REQUESTS, LONGEST, NEW = 16, 150, 24
_SIZES = {"head_dim": 32, "max_position_embeddings": 1024}
SIZES = {
    "gemma4": {**_SIZES, "global_head_dim": 64, "sliding_window": 48},
    "gemma3": {**_SIZES, "sliding_window": 48},
}
"""CPU attention wants heads of 32; the window is shorter than prompts and longer than a block."""
IN_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
"""Or what is batched together, and so the last bits, depends on when requests arrive."""
TINY = {
    "dtype": "float32",
    "max_model_len": 256,
    "block_size": 32,
    "num_gpu_blocks_override": 256,  # more than all requests need
    "max_num_batched_tokens": 64,
    "max_num_seqs": REQUESTS,
    "enforce_eager": True,
}
"""How tiny models are run unless a test says otherwise: prompts come in chunks."""


def checkpoint(folder: Path, family: str) -> Path:
    return save_checkpoint(folder / family, family, **SIZES.get(family, _SIZES))


def reference(family: str):
    model = tiny_model(family, **SIZES.get(family, _SIZES))
    model.set_attn_implementation("eager")
    return model


def prompts() -> list[list[int]]:
    """Prompts of many lengths; some share their first 70 tokens."""
    random = torch.Generator().manual_seed(11)
    shared = torch.randint(3, VOCABULARY, (70,), generator=random).tolist()
    lengths = torch.randint(20, LONGEST, (REQUESTS,), generator=random).tolist()
    own = [torch.randint(3, VOCABULARY, (n,), generator=random).tolist() for n in lengths]
    return [[*shared, *ids[: LONGEST - 70]] if n % 2 else ids for n, ids in enumerate(own)]


def sharing() -> list[list[int]]:
    """Return those of the prompts that begin alike."""
    groups: dict[tuple[int, ...], list[list[int]]] = {}
    for ids in prompts():
        groups.setdefault(tuple(ids[:70]), []).append(ids)
    return max(groups.values(), key=len)


@dataclass
class Result:
    tokens: list[list[int]]
    logprobs: list[list[float]]
    rows: list[dict[int, np.ndarray]]
    preemptions: int
    cached: int


class Crowd:
    """A vLLM engine, with rows or exactly as it comes."""

    def __init__(self, folder: Path, *, rows: bool, heads=EVERY_HEAD, **options):
        from vllm import LLM

        from alignatt4llm.translators.vllm.local import WORKER

        self.rows, self.heads = rows, heads
        layers = sorted({layer for layer, _ in heads})
        tapped = {"worker_cls": WORKER, "additional_config": {"alignatt": {"layers": layers}}}
        with patch.dict(os.environ, IN_PROCESS):
            self.llm = LLM(
                str(folder),
                disable_log_stats=False,
                use_tqdm_on_load=False,
                **(tapped if rows else {}),
                **options,
            )
        self._keys = map(str, count())
        self._folder = TemporaryDirectory()
        self._address = f"ipc://{self._folder.name}/rows"
        self._socket = zmq.Context.instance().socket(zmq.PULL)
        self._socket.bind(self._address)

    def run(self, asked: list[list[int]], new: int = NEW) -> Result:
        """Run all prompts at once; a second run finds the first one's prefixes."""
        from vllm import SamplingParams

        keys, before = [next(self._keys) for _ in asked], self._preemptions()
        parameters = [
            SamplingParams(
                temperature=0,
                max_tokens=new,
                ignore_eos=True,
                logprobs=1,
                detokenize=False,
                extra_args={"alignatt": self._wanted(key, ids)} if self.rows else None,
            )
            for key, ids in zip(keys, asked, strict=True)
        ]
        inputs = [{"prompt_token_ids": ids} for ids in asked]
        outputs = self.llm.generate(inputs, parameters, use_tqdm=False)
        rows = self._received(keys) if self.rows else []
        tokens = [list(output.outputs[0].token_ids) for output in outputs]
        logprobs = [
            [entry[token].logprob for token, entry in zip(ids, o.outputs[0].logprobs, strict=True)]
            for ids, o in zip(tokens, outputs, strict=True)
        ]
        cached = sum(output.num_cached_tokens for output in outputs)
        preemptions = self._preemptions() - before
        return Result(tokens, logprobs, rows, preemptions, cached)

    def _wanted(self, key: str, ids: list[int]) -> dict:
        return {
            "key": key,
            "to": self._address,
            "first": len(ids) - 1,
            "heads": [list(head) for head in self.heads],
            "columns": list(range(0, len(ids), 3)),
        }

    def _received(self, keys: list[str]) -> list[dict[int, np.ndarray]]:
        """Return the rows that every worker has sent, summed, until nothing more comes."""
        rows: dict[str, dict[int, dict[int, np.ndarray]]] = {key: {} for key in keys}
        while self._socket.poll(500):
            for key, worker, begin, part in opened(self._socket.recv()):
                for position, row in enumerate(part, begin):
                    rows[key].setdefault(position, {})[worker] = row
        return [{at: sum(parts.values()) for at, parts in rows[key].items()} for key in keys]

    def _preemptions(self) -> int:
        named = (m for m in self.llm.get_metrics() if m.name == "vllm:num_preemptions")
        return sum(metric.value for metric in named)

    def close(self) -> None:
        self._socket.close(linger=0)
        self._folder.cleanup()
        self.llm.llm_engine.engine_core.shutdown(30)
        del self.llm
        gc.collect()


@torch.inference_mode()
def largest_difference(model, asked: list[list[int]], result: Result, heads=EVERY_HEAD) -> float:
    """Compare every row with the model's own weights; a missing row is infinitely different."""
    worst = 0.0
    for ids, new, rows in zip(asked, result.tokens, result.rows, strict=True):
        whole = torch.tensor([[*ids, *new]], device=model.device)
        attentions = model(whole, output_attentions=True, use_cache=False).attentions
        for position in range(len(ids) - 1, len(ids) + len(new) - 1):
            if position not in rows or not np.isfinite(rows[position]).all():
                return float("inf")
            seen = [attentions[layer][0, head, position, : len(ids) : 3] for layer, head in heads]
            own = torch.stack(seen).float().cpu().numpy()
            worst = max(worst, float(np.abs(own - rows[position]).max()))
    return worst
