"""``alignatt bench``: what drafts cost on this machine, as ratios within one run."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignatt4llm.cli import system
from alignatt4llm.cli.files import Named, Writes
from alignatt4llm.errors import UsageError
from alignatt4llm.files.writing import write_whole
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Serving, Stepping, Translator

if TYPE_CHECKING:
    from alignatt4llm.interpreter import Interpreter

Measure = Callable[["Interpreter", Pair, argparse.Namespace], dict[str, Any]]
"""Measures, prints and returns the record that ``--json`` writes."""

SHORTEST = 10
"""Minutes of the long stream, at least."""

EXAMPLES = """\
examples:
  alignatt bench                              ten minutes of talk, the embedded model
  alignatt bench --schedules talk.ogg         recogniser and translator in turn, or beside
  alignatt bench --minutes 120 --json bench.json
  alignatt bench --engine vllm                what rows cost in vLLM, for 1 to 16 streams
"""

FIGURES = {
    "capture_overhead": "reading rows, against the same pass without",
    "eager_over_stream_per_chunk": "eager drafts from scratch, against a session, per chunk",
    "decode_steps_per_committed_token": "tokens decoded one by one, per token said",
    "last_over_first_tenth": "a chunk at the end of the long stream, against the beginning",
    "memory_growth_mb": "megabytes at the end of the long stream, more than at the beginning",
    "together_over_in_turn": "throughput of eight streams together, against in turn",
    "chunk_over_share": "a chunk in the crowd, against its fair share of the time alone",
    "same_text": "share of streams that say in the crowd what they say alone",
    "step_over_floor": "a decode step, against reading the weights once",
    "row_error": "largest difference between a row and eager attention",
}


def add_parser(subparsers: Any) -> None:
    """Add the command's options."""
    parser = subparsers.add_parser(
        "bench",
        help="measure the speed of drafts",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    system.add_models(parser)
    parser.add_argument("--pair", default="en-de", help="direction, such as en-de")
    parser.add_argument("--latency", choices=LATENCIES, default="medium")
    parser.add_argument(
        "--minutes", type=float, default=10, metavar="N", help="length of the long stream"
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="of fixed drafts")
    parser.add_argument(
        "--schedules", type=Named, metavar="RECORDING",
        help="measure the latency of every schedule on speech instead",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=Path, action=Writes, metavar="FILE", help="write every figure"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    if args.repeats < 1:
        raise UsageError(f"--repeats is {args.repeats}; it must be 1 or more.")
    if args.minutes < SHORTEST:
        raise UsageError(
            f"--minutes is {args.minutes:g}; the long stream needs {SHORTEST} minutes at least."
        )
    from alignatt4llm.interpreter import Interpreter

    pair, interpreter = Pair.parse(args.pair, _tell), Interpreter(system.models(args), _tell)
    measured = _schedules if args.schedules else _measure(interpreter.translator, args.engine)
    record = measured(interpreter, pair, args)
    if args.json:
        write_whole(args.json, json.dumps(record, indent=1) + "\n")
    return 0


def _measure(translator: Translator, engine: str) -> Measure:
    """Return how the drafts of an engine are measured."""
    if isinstance(translator, Stepping):
        return _drafts
    if isinstance(translator, Serving):
        return _served
    raise UsageError(
        f"The drafts of the engine '{engine}' cannot be measured: it can neither be stepped pass "
        "by pass nor asked without rows; take another with --engine."
    )


def _drafts(interpreter: "Interpreter", pair: Pair, args: argparse.Namespace) -> dict[str, Any]:
    """Measure and print what drafts cost in this process."""
    from alignatt4llm.bench.run import run as measure

    record: dict[str, Any] = measure(
        interpreter, pair, args.latency, args.minutes, args.repeats, _tell
    )
    print(_table(record))
    return record


def _served(interpreter: "Interpreter", pair: Pair, args: argparse.Namespace) -> dict[str, Any]:
    """Measure and print what rows cost in a served engine."""
    from alignatt4llm.bench.engine import run as measure

    record = measure(interpreter, pair, args.repeats, _tell)
    print(f"{'streams':>8}{'ms per token':>14}{'with rows':>12}{'ratio':>8}{'tokens per s':>14}")
    for streams, found in record["ms_per_token"].items():
        plain, rows = found["plain"], found["rows"]
        ratio, speed = found["ratio"], 1000 / rows
        print(f"{streams:>8}{plain:14.2f}{rows:12.2f}{ratio:8.3f}{speed:14.1f}")
    print(f"{record['capture_overhead']:.3g}  {FIGURES['capture_overhead']}")
    return record


def _schedules(interpreter: "Interpreter", pair: Pair, args: argparse.Namespace) -> dict[str, Any]:
    """Measure and print the latency of every schedule."""
    import numpy as np

    from alignatt4llm.audio.decode import read
    from alignatt4llm.bench.schedules import measure

    audio = np.concatenate(list(read(args.schedules)))
    chunk = LATENCIES[args.latency].chunk
    found = measure(lambda now: interpreter.open(pair, args.latency, now=now), audio, chunk)
    print(f"{'ms, mean of a unit':18}{'audio heard':>12}{'said at':>12}{'computing':>12}")
    for name, late in found.items():
        print(f"{name:18}{late.delay:12.0f}{late.elapsed:12.0f}{late.computation:12.0f}")
    return {name: asdict(late) for name, late in found.items()}


def _table(record: dict[str, Any]) -> str:
    arms = list(next(iter(record["ms_per_token"].values())))
    lines = ["", f"{'ms per token':18}" + "".join(f"{arm:>10}" for arm in arms)]
    for prompt, times in record["ms_per_token"].items():
        lines.append(f"{prompt:18}" + "".join(f"{times[arm]:10.1f}" for arm in arms))
    lines += ["", "ms per chunk      " + _listed(record["ms_per_chunk"], ".1f")]
    lines += ["work per chunk    " + _listed(record["per_chunk"], ".2f"), ""]
    lines += [f"{record[name]:10.3g}  {meaning}" for name, meaning in FIGURES.items()]
    return "\n".join(lines)


def _listed(figures: dict[str, float], form: str) -> str:
    return ", ".join(f"{name} {value:{form}}" for name, value in figures.items())


def _tell(message: str) -> None:
    print(f"measuring: {message}", file=sys.stderr, flush=True)
