"""Prove an engine on this machine: identity, exactness, concurrency, speed.

    python scripts/prove_on_gpu.py                  Gemma 4 E4B with its shipped heads, on a GPU
    python scripts/prove_on_gpu.py --tiny           tiny models, on anything
    python scripts/prove_on_gpu.py --engine llama.cpp --model FILE.gguf

Every arrangement of vLLM (eager, compiled, full CUDA graphs, both model runners, tensor parallel
where there are two GPUs) runs in a process of its own. Prints a table and writes JSON; the exit
code is 1 if anything that must hold does not.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from alignatt4llm.bench.engine import NEW, Asked, crowded, prompts

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "vllm"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

BASELINE = "transformers"
REPEATS = 3
TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2}
"""Largest difference of a row from eager attention of the same model in the same type."""


@dataclass
class Arrangement:
    """One way of running vLLM."""

    name: str
    options: dict = field(default_factory=dict)
    runner: str = ""


def arrangements(devices: int) -> list[Arrangement]:
    """Return what this machine can run."""
    if not devices:
        return [
            Arrangement("eager", {"enforce_eager": True}),
            Arrangement("compiled", {"enforce_eager": False}),
        ]
    full = {"compilation_config": {"cudagraph_mode": "FULL"}}
    piecewise = {"compilation_config": {"cudagraph_mode": "PIECEWISE"}}
    found = [
        Arrangement(f"{name}, runner V{2 if runner == '1' else 1}", options, runner)
        for runner in ("0", "1")
        for name, options in (
            ("eager", {"enforce_eager": True}),
            ("piecewise graphs", piecewise),
            ("full graphs", full),
            ("vLLM's own choice", {}),
        )
    ]
    if devices > 1:
        found.append(Arrangement("tensor parallel 2", {"tensor_parallel_size": 2}))
    return found


def main() -> int:
    """Run everything; print a table and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=("vllm", "llama.cpp"), default="vllm")
    parser.add_argument("--model", default="google/gemma-4-E4B-it", help="a folder or a hub id")
    parser.add_argument("--heads", metavar="FILE", help="head set, if none is shipped for en-de")
    parser.add_argument("--tiny", action="store_true", help="tiny random models instead")
    parser.add_argument("--out", type=Path, default=Path("proof.json"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(prove(**json.loads(args.one))))
        return 0
    if args.engine == "llama.cpp":
        return llamacpp(args)
    with TemporaryDirectory() as folder:
        found = [run(job) for job in jobs(args, Path(folder))]
    args.out.write_text(json.dumps({"machine": machine(), "results": found}, indent=1) + "\n")
    table(found)
    print(f"\nwritten to {args.out}")
    return 0 if all(result.get("holds") for result in found) else 1


def llamacpp(args: argparse.Namespace) -> int:
    """Prove the llama.cpp engine; print a line for each number of layers on the GPU."""
    from prove_llamacpp import run as prove_all

    with TemporaryDirectory() as folder:
        found = prove_all(args.model, args.heads, args.tiny, Path(folder))
    args.out.write_text(json.dumps({"machine": platform.platform(), "results": found}, indent=1))
    for line in found:
        print(", ".join(f"{name} {value}" for name, value in line.items()))
    return 0 if all(line["holds"] for line in found) else 1


def jobs(args: argparse.Namespace, folder: Path) -> list[dict]:
    """Return what each process has to do."""
    import torch

    devices = torch.cuda.device_count()
    models = {args.model: (*resolved(args), "bfloat16")}
    if args.tiny:
        from crowd import checkpoint
        from tiny import EVERY_HEAD

        names = ("qwen3", "gemma4")
        models = {n: (str(checkpoint(folder, n)), list(EVERY_HEAD), "float32") for n in names}
    return [
        {
            "model": name,
            "location": location,
            "heads": [list(head) for head in heads],
            "dtype": dtype,
            "tiny": args.tiny,
            "arrangement": asdict(arrangement),
        }
        for name, (location, heads, dtype) in models.items()
        for arrangement in (Arrangement(BASELINE), *arrangements(devices))
    ]


def resolved(args: argparse.Namespace) -> tuple[str, list[tuple[int, int]]]:
    """Return the model's folder and its heads."""
    from alignatt4llm.heads.loading import head_set_for, load_head_set
    from alignatt4llm.weights.models import resolve_llm, short_name

    if args.tiny:
        return "", []
    weights = resolve_llm(args.model, print)
    heads = (
        load_head_set(Path(args.heads))
        if args.heads
        else head_set_for(short_name(args.model), "en-de")
    )
    return weights.location, list(heads.heads)


def run(job: dict) -> dict:
    """Prove one arrangement in a process of its own."""
    print(f"{job['model']}: {job['arrangement']['name']} ...", file=sys.stderr, flush=True)
    environment = {**os.environ, "VLLM_LOGGING_LEVEL": "ERROR"}
    if job["tiny"]:
        environment["VLLM_CPU_KVCACHE_SPACE"] = "1"  # or vLLM takes most of the memory
    if runner := job["arrangement"]["runner"]:
        environment["VLLM_USE_V2_MODEL_RUNNER"] = runner
    done = subprocess.run(
        [sys.executable, __file__, "--one", json.dumps(job)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    result = {"model": job["model"], "arrangement": job["arrangement"]["name"]}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return {**result, "holds": False, "failed": done.stderr.strip().splitlines()[-8:]}
    return {**result, **json.loads(lines[-1])}


def transformers_speed(location: str, heads: list, dtype: str, asked: list) -> dict:
    """Return milliseconds a token of one stream: eager attention kept whole, and this package."""
    import torch
    from transformers import AutoModelForCausalLM

    from alignatt4llm.attention.packed import Feed, PackedModel, Stream

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(
        location, dtype=getattr(torch, dtype), attn_implementation="eager"
    )
    model.to(device).eval()
    layers = sorted({layer for layer, _ in heads})

    def eager(ids: list[int], _columns: list[int]) -> None:
        out = model.generate(
            torch.tensor([ids], device=device),
            max_new_tokens=NEW,
            min_new_tokens=NEW,
            do_sample=False,
            output_attentions=True,
            return_dict_in_generate=True,
        )
        for step in out.attentions:
            for layer in layers:
                step[layer][0, :, -1].cpu()

    found = {"transformers, eager": timed(eager, asked)}
    runner = PackedModel(model)

    def packed(ids: list[int], columns: list[int]) -> None:
        stream, fed, of_source = Stream(heads), ids, torch.tensor(columns, device=device)
        for _ in range(NEW):
            feed = Feed(stream, fed, 1, of_source)
            runner.run([feed])
            fed = [int(feed.logits[-1].argmax())]

    return {**found, "transformers, here": timed(packed, asked)}


def timed(draft: Callable[[list[int], list[int]], None], asked: list[Asked]) -> dict:
    """Return the median milliseconds a token of a call, after a warm-up."""
    draft(asked[0].ids, asked[0].columns)
    taken = []
    for each in asked * REPEATS:
        begin = time.perf_counter()
        draft(each.ids, each.columns)
        taken.append(1000 * (time.perf_counter() - begin) / NEW)
    return {"1": round(median(taken), 3)}


def prove(
    model: str, location: str, heads: list, dtype: str, tiny: bool, arrangement: dict
) -> dict:
    """Return every figure of one arrangement."""
    from crowd import TINY
    from crowd import prompts as random_prompts

    heads = [tuple(head) for head in heads]
    options = {**(TINY if tiny else {"dtype": dtype, "max_model_len": 4096})}
    options |= arrangement["options"]
    if tiny:
        asked = [Asked(ids, list(range(len(ids)))) for ids in random_prompts()]
    else:
        asked = figure_prompts(location)
    if arrangement["name"] == BASELINE:
        return {
            "holds": True,
            "ms_per_token": transformers_speed(location, heads, dtype, asked),
        }
    ids = [each.ids for each in asked]
    with_rows, without = both(location, heads, options, ids)
    one, other = with_rows[0], without[0]
    same = sum(a == b for a, b in zip(one.tokens, other.tokens, strict=True))
    apart = max(
        abs(a - b)
        for mine, theirs in zip(one.logprobs, other.logprobs, strict=True)
        for a, b in zip(mine, theirs, strict=False)
    )
    difference = exactness(model, location, heads, dtype, tiny, ids, one)
    found = {
        "same_outputs": f"{same}/{len(ids)}",
        "logprobs_apart": apart,
        "rows_apart": difference,
        "prefixes_cached": with_rows[1].cached,
        "ms_per_token": speed(location, heads, options, asked),
    }
    found["holds"] = same == len(ids) and difference <= TOLERANCE[dtype]
    return found


def figure_prompts(location: str) -> list[Asked]:
    """Return the benchmark's prompts."""
    from transformers import AutoTokenizer

    from alignatt4llm.prompts.forms import prompt_form
    from alignatt4llm.text.languages import Pair
    from alignatt4llm.translators.vocabulary import HubVocabulary

    tokenizer = AutoTokenizer.from_pretrained(location)
    return prompts(HubVocabulary(tokenizer, None), prompt_form(tokenizer, Pair.parse("en-de")))


def both(location: str, heads: list, options: dict, asked: list) -> tuple[list, list]:
    """Return two runs with rows, and two of vLLM as it comes."""
    from crowd import Crowd

    found = []
    for rows in (True, False):
        crowd = Crowd(Path(location), rows=rows, heads=heads, **options)
        found.append([crowd.run(asked, NEW) for _ in range(2)])
        crowd.close()
    return found[0], found[1]


def exactness(
    model: str, location: str, heads: list, dtype: str, tiny: bool, asked: list, result: object
) -> float:
    """Return the largest difference of a row from the model's own eager attention."""
    import torch
    from crowd import largest_difference, reference

    if tiny:
        return largest_difference(reference(model), asked, result, heads)
    from transformers import AutoModelForCausalLM

    eager = AutoModelForCausalLM.from_pretrained(
        location, dtype=getattr(torch, dtype), attn_implementation="eager", device_map="auto"
    )
    return largest_difference(eager.eval(), asked, result, heads)


def speed(location: str, heads: list, options: dict, asked: list) -> dict:
    """Return milliseconds a token by number of streams, with and without rows."""
    from alignatt4llm.translators.vllm.local import LocalEngine

    engine = LocalEngine(location, sorted({layer for layer, _ in heads}), options)
    speeds = crowded(engine, heads, asked, REPEATS)
    engine.close()
    return {
        name: {streams: round(found[arm], 3) for streams, found in speeds.items()}
        for name, arm in (("with rows", "rows"), ("without", "plain"))
    }


def machine() -> dict:
    """Describe where this ran."""
    import torch
    import transformers
    import vllm

    names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return {
        "devices": names or [platform.processor() or platform.machine()],
        "vllm": vllm.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }


def table(found: list[dict]) -> None:
    """Print one line an arrangement, and one for each way of measuring speed."""
    lines = [("model", "arrangement", "holds", "same outputs", "rows apart", "ms/token, streams")]
    for result in found:
        facts = (
            result["model"].rpartition("/")[2],
            result["arrangement"],
            "yes" if result["holds"] else "NO",
            result.get("same_outputs", "failed" if "failed" in result else ""),
            f"{result['rows_apart']:.1e}" if "rows_apart" in result else "",
        )
        for way, speeds in result.get("ms_per_token", {"": {}}).items():
            shown = ", ".join(f"{ms:.1f} ({streams})" for streams, ms in speeds.items())
            lines.append((*facts, f"{way}: {shown}" if way else ""))
            facts = ("",) * len(facts)
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    for line in lines:
        print("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
