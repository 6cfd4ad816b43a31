"""Prove the llama.cpp engine on this machine, with none, half and all of the layers on its GPU.

    python scripts/prove_on_gpu.py --engine llama.cpp --model talk-model.gguf --heads heads.json
    python scripts/prove_on_gpu.py --engine llama.cpp --tiny

Reading rows must change no bit of the logits, wherever the layers are; rows, and what greedy
decoding says, must be those of the CPU up to its rounding.
"""

import time
from pathlib import Path
from statistics import median

import numpy as np

from alignatt4llm.heads.loading import head_set_for, load_head_set
from alignatt4llm.translators.llamacpp.binding import library
from alignatt4llm.translators.llamacpp.context import LlamaContext
from alignatt4llm.translators.llamacpp.feed import Feed
from alignatt4llm.translators.llamacpp.vocabulary import GgufVocabulary
from alignatt4llm.weights.models import resolve_gguf

TEXT = "English: We found that the new method is faster, but it needs more memory.\nGerman:"
NEW = 32
TOLERANCE = 2e-2
"""Largest difference of a row from the CPU's, of quantised weights and half-precision keys."""


def prove(file: Path, heads: list[tuple[int, int]]) -> list[dict]:
    """Return a line for each number of layers on the GPU; the first is the CPU's."""
    found: list[dict] = []
    can = library().call.llama_supports_gpu_offload()
    layers = measured(file, heads, 0)["layers"]
    for count in (0, layers // 2, layers + 1) if can else (0,):
        found.append(compared(measured(file, heads, count), found[0] if found else None))
    for one in found:
        one.pop("kept")
    return found


def measured(file: Path, heads: list[tuple[int, int]], gpu_layers: int) -> dict:
    """Draft greedily with rows and without, and say what came of it and how long it took."""
    context = LlamaContext(file, gpu_layers=gpu_layers, context=512)
    ids, _ = GgufVocabulary(context).encode(TEXT)
    columns = np.arange(len(ids))
    with_rows = draft(context, context.stream(heads), ids, columns)
    without = draft(context, context.stream(heads), ids, None)
    result = {
        "layers": context.layout.layers,
        "gpu_layers": gpu_layers,
        "same_bits": bool((with_rows["logits"] == without["logits"]).all()),
        "ms_with_rows": with_rows["ms"],
        "ms_without": without["ms"],
        "kept": with_rows,
    }
    context.close()
    return result


def draft(context: LlamaContext, stream: object, ids: list[int], columns: object) -> dict:
    """Decode greedily, a token a pass."""
    known, logits, rows, taken = list(ids), [], [], []
    for n in range(NEW):
        wanted = 1 if n else len(ids)  # the whole prompt anew, so that passes are the same
        feed = Feed(stream, list(known), wanted, columns)
        begin = time.perf_counter()
        context.run([feed])
        taken.append(1000 * (time.perf_counter() - begin))
        logits.append(feed.logits[-1])
        rows.append(feed.rows[-1] if columns is not None else None)
        known.append(int(feed.logits[-1].argmax()))
    context.free(stream)
    return {
        "tokens": known[len(ids) :],
        "logits": np.stack(logits),
        "rows": rows,
        "ms": round(median(taken[1:]), 2),
    }


def compared(result: dict, cpu: dict | None) -> dict:
    """Say how far a result is from the CPU's, as far as both said the same."""
    result["holds"] = result["same_bits"]
    if cpu is not None:
        mine, theirs = result["kept"], cpu["kept"]
        pairs = zip(mine["tokens"], theirs["tokens"], strict=True)
        same = next((n for n, (a, b) in enumerate(pairs) if a != b), NEW)
        apart = [abs(mine["rows"][n] - theirs["rows"][n]).max() for n in range(min(same + 1, NEW))]
        result |= {"same_tokens": f"{same}/{NEW}", "rows_apart": float(max(apart))}
        result["holds"] &= result["rows_apart"] <= TOLERANCE
    return result


def run(model: str, heads: str | None, tiny: bool, folder: Path) -> list[dict]:
    """Prove a model, or tiny random ones."""
    if not tiny:
        weights = resolve_gguf(model, print)
        found = load_head_set(Path(heads)) if heads else head_set_for(weights.name, "en-de")
        return [{"model": model, **one} for one in prove(Path(weights.location), [*found.heads])]
    from tiny import EVERY_HEAD
    from tiny_gguf import save_gguf

    made = []
    for family in ("qwen3", "gemma3"):
        save_gguf(folder / f"{family}.gguf", family)
        lines = prove(folder / f"{family}.gguf", list(EVERY_HEAD))
        made += [{"model": family, **one} for one in lines]
    return made
