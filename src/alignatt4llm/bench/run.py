"""The benchmark: every figure from one run, as medians of interleaved repeats and their ratios."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from statistics import mean
from typing import Any

import torch

from alignatt4llm.attention.half_linear import HalfLinear
from alignatt4llm.attention.packed import Feed, Stream
from alignatt4llm.bench.arms import Arm, Packed, Plain
from alignatt4llm.bench.measure import bytes_per_second, interleaved, seconds
from alignatt4llm.bench.streamed import (
    Bench,
    crowd,
    excerpt,
    first_and_last_tenth,
    repeated,
    replay,
    talk,
)
from alignatt4llm.errors import Tell
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.prompts.prompt import Prompt
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Stepping

DRAFT = 16
"""Tokens of a fixed draft, as in the published system."""
SAMPLED = 24
"""Prompts of the streamed talk that are drafted from scratch."""
EXCERPT = 60.0
"""Seconds of the talk that the long stream repeats, and of each stream in the crowd."""
STREAMS = 8
OFFSET = 20.0
"""Seconds between the beginnings of the crowd's streams in the talk."""

WORDS = {
    "short": "We found that the new",
    "medium": "We found that the new method is faster, but it needs more memory than the old one "
    "and it takes some time to",
    "long": "We found that the new method is faster, but it needs more memory than the old one and "
    "it takes some time to learn what the first results of all these long experiments mean for "
    "people who want to use it every day at work, at home and on",
}
ACCEPTED = "Wir haben festgestellt"


def run(
    interpreter: Interpreter, pair: Pair, latency: str, minutes: float, repeats: int, tell: Tell
) -> Any:
    """Measure everything and return the record that ``--json`` writes.

    Parameters
    ----------
    interpreter
        The model; its translator is `Stepping`.
    pair, latency
        As for ``alignatt translate``.
    minutes
        Length of the long stream.
    repeats
        Interleaved repeats of every fixed draft.
    tell
        Is told what comes next.
    """
    translator, heads = interpreter.translator, interpreter.heads(pair)
    assert isinstance(translator, Stepping)
    bench = Bench(translator, pair, heads, LATENCIES[latency])
    eager = Plain(interpreter.location, "eager")
    arms: dict[str, Arm] = {
        "eager": eager,
        "sdpa": Plain(interpreter.location, "sdpa"),
        "plain": Packed(translator, []),
        "capture": Packed(translator, list(heads.heads)),
    }
    tell("fixed prompts")
    fixed = _fixed(bench, arms, repeats)
    tell("one step")
    step = _step(bench)
    floor = _weight_bytes(translator.model) / bytes_per_second(translator.model.device)
    asked = {"pair": str(pair), "latency": latency, "minutes": minutes, "repeats": repeats}
    return {
        "capture_overhead": _overhead(fixed),
        **_talk(bench, arms, tell),
        **_long(bench, minutes, tell),
        **_crowd(bench, tell),
        "step_over_floor": step / floor,
        "row_error": _row_error(bench, eager),
        "ms_per_token": {
            prompt: {arm: 1000 * taken / DRAFT for arm, taken in times.items()}
            for prompt, times in fixed.items()
        },
        "ms_per_step": {"step": 1000 * step, "floor": 1000 * floor},
        "settings": {"model": interpreter.system.model, **asked, **_machine(translator.model)},
    }


def _fixed(bench: Bench, arms: dict[str, Arm], repeats: int) -> dict[str, dict[str, float]]:
    """Return the seconds that every arm takes for drafts of one length, by prompt."""
    return {
        f"{name}{' accepted' if accepted else ''}": interleaved(
            {arm: partial(draft, ids, DRAFT) for arm, draft in arms.items()}, repeats
        )
        for name, text in WORDS.items()
        for accepted in ("", ACCEPTED)
        for ids in [_ids(bench, text, accepted)]
    }


def _talk(bench: Bench, arms: dict[str, Arm], tell: Tell) -> dict[str, Any]:
    """Replay the talk, and draft its prompts from scratch."""
    tell("the talk")
    counters = bench.translator.stepper.counters
    before = asdict(counters)
    prompts: list[Prompt] = []
    stream = replay(bench, talk(), prompts)
    done = {name: value - before[name] for name, value in asdict(counters).items()}
    tell("the talk from scratch")
    scratch = _from_scratch(bench, prompts, len(stream.chunks), arms)
    chunk = mean(stream.chunks)
    said = len(bench.translator.tokenizer(stream.text).input_ids)
    return {
        "eager_over_stream_per_chunk": scratch["eager"] / chunk,
        "decode_steps_per_committed_token": done["steps"] / said,
        "ms_per_chunk": {"stream": 1000 * chunk, **{n: 1000 * s for n, s in scratch.items()}},
        "per_chunk": {name: value / len(stream.chunks) for name, value in done.items()},
    }


def _long(bench: Bench, minutes: float, tell: Tell) -> dict[str, float]:
    """Compare the end of a long stream with its beginning."""
    tell(f"a stream of {minutes:g} minutes")
    words = excerpt(talk(), 0.0, EXCERPT)
    long = replay(bench, repeated(words, EXCERPT, round(minutes * 60 / EXCERPT)))
    (early, late), (less, more) = map(first_and_last_tenth, (long.chunks, long.memory))
    return {"last_over_first_tenth": late / early, "memory_growth_mb": more - less}


def _crowd(bench: Bench, tell: Tell) -> dict[str, float]:
    """Compare streams that run together with the same in turn."""
    tell(f"{STREAMS} streams, in turn and together")
    return asdict(crowd(bench, [excerpt(talk(), OFFSET * n, EXCERPT) for n in range(STREAMS)]))


def _machine(model: Any) -> dict[str, Any]:
    return {
        "threads": torch.get_num_threads(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} CPUs, {_device(model)}",
        "dtype": str(model.dtype).removeprefix("torch."),
        "versions": {name: version(name) for name in ("alignatt4llm", "torch", "transformers")},
    }


def _ids(bench: Bench, text: str, accepted: str) -> list[int]:
    prompt = bench.translator.prompt_form(bench.pair)(text.split(), accepted, ())
    return bench.translator.vocabulary.encode(prompt.text)[0]


def _overhead(fixed: dict[str, dict[str, float]]) -> float:
    """Return what reading rows costs: the mean over prompts of capture against the same path."""
    return mean(times["capture"] / times["plain"] for times in fixed.values())


def _step(bench: Bench) -> float:
    """Return the seconds of one decode step with its rows, after a medium prompt."""
    ids = _ids(bench, WORDS["medium"], ACCEPTED)
    stream, columns = Stream(bench.heads.heads), torch.arange(len(ids))
    stepper = bench.translator.stepper
    stepper.step(Feed(stream, ids))

    def step() -> None:
        stream.keep(len(ids))
        stepper.step(Feed(stream, ids[-1:], 1, columns.to(bench.translator.model.device)))

    return interleaved({"step": step}, 15)["step"]


def _from_scratch(
    bench: Bench, asked: Sequence[Prompt], chunks: int, arms: dict[str, Arm]
) -> dict[str, float]:
    """Return the seconds a chunk would take if every new source were drafted from scratch."""
    prompts = [asked[0], *(now for last, now in pairwise(asked) if now.words != last.words)]
    sampled = prompts[:: max(1, len(prompts) // SAMPLED)]
    ids = [bench.translator.vocabulary.encode(prompt.text)[0] for prompt in sampled]
    names = ("eager", "sdpa", "capture")
    taken = [{name: seconds(partial(arms[name], each, DRAFT)) for name in names} for each in ids]
    share = len(prompts) / chunks
    return {name: share * mean(times[name] for times in taken) for name in names}


def _row_error(bench: Bench, eager: Plain) -> float:
    """Return the largest difference between a row and the eager model's own, over a draft."""
    ids = _ids(bench, WORDS["medium"], ACCEPTED)
    packed = Packed(bench.translator, list(bench.heads.heads))
    packed(ids, 4)
    eager(ids, 4)
    layers, places = zip(*bench.heads.heads, strict=True)
    errors = [
        (own[list(layers), list(places), -1, : len(ids)].float().cpu() - row).abs().max()
        for own, row in zip(eager.rows, packed.rows, strict=True)
    ]
    return float(max(errors))


def _weight_bytes(model: torch.nn.Module) -> int:
    """Count what a decode step reads: all weights but the embeddings, of which it takes one."""
    modules = [part for part in model.modules() if not isinstance(part, torch.nn.Embedding)]
    weights = {weight for part in modules for weight in part.parameters(recurse=False)}
    halves = sum(part.weight_bytes for part in modules if isinstance(part, HalfLinear))
    return halves + sum(weight.numel() * weight.element_size() for weight in weights)


def _device(model: Any) -> str:
    return torch.cuda.get_device_name() if model.device.type == "cuda" else str(model.device)
