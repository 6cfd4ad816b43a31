"""``alignatt bench``: what drafts cost on this machine, as ratios within one run."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignatt4llm.cli import system
from alignatt4llm.cli.files import Named, Writes
from alignatt4llm.errors import UsageError
from alignatt4llm.files.writing import write_whole
from alignatt4llm.settings.fitting import fitted
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Serving
from alignatt4llm.translators.table import check_installed

if TYPE_CHECKING:
    from alignatt4llm.interpreter import Interpreter

SHORTEST = 10
"""Minutes of the long stream, at least."""

EXAMPLES = """\
examples:
  alignatt bench                              ten minutes of talk, the embedded model
  alignatt bench --quick                      what a minute or two suffices for
  alignatt bench --engine transformers llama.cpp --model embedded embedded-large
                                              each engine with each model, side by side
  alignatt bench --schedules talk.ogg         recogniser and translator in turn, or beside
  alignatt bench --minutes 120 --json bench.json
  alignatt bench --engine vllm                what rows cost in vLLM, for 1 to 16 streams
"""


def add_parser(subparsers: Any) -> None:
    """Add the command's options."""
    parser = subparsers.add_parser(
        "bench",
        help="measure the speed of drafts",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    system.add_models(parser, several=True)
    parser.add_argument("--pair", default="en-de", help="direction, such as en-de")
    parser.add_argument("--latency", choices=LATENCIES, default="medium", help="default: medium")
    parser.add_argument(
        "--minutes", type=float, default=10, metavar="N", help="length of the long stream"
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="of what is short")
    parser.add_argument(
        "--quick", action="store_true",
        help="steps, passes and some chunks only: under three minutes an engine and model",
    )  # fmt: skip
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
    from alignatt4llm.bench.yardsticks import YARDSTICKS

    pair = Pair.parse(args.pair, _tell)
    systems = [
        fitted(
            system.models(argparse.Namespace(**{**vars(args), "engine": engine, "model": model})),
            tell=_tell,
        )
        for model in dict.fromkeys(args.model or [None])
        for engine in dict.fromkeys(args.engine)
    ]
    for each in systems:
        check_installed(each.engine)
    together = not args.schedules and all(each.engine in YARDSTICKS for each in systems)
    record = _beside(systems, pair, args) if together else _alone(systems, pair, args)
    if args.json:
        write_whole(args.json, json.dumps(record, indent=1) + "\n")
    return 0


def _alone(systems: Sequence[System], pair: Pair, args: argparse.Namespace) -> dict[str, Any]:
    """Measure and print what can only be measured of one system."""
    from alignatt4llm.interpreter import Interpreter

    if len(systems) > 1:
        what = "--schedules" if args.schedules else f"--engine {' '.join(args.engine)}"
        raise UsageError(f"{what} is measured by itself; give one engine and one model.")
    interpreter = Interpreter(systems[0], _tell)
    if args.schedules:
        return _schedules(interpreter, pair, args)
    if isinstance(interpreter.translator, Serving):
        return _served(interpreter, pair, args)
    raise UsageError(
        f"The drafts of the engine '{systems[0].engine}' cannot be measured: it can neither be "
        "stepped pass by pass nor asked without rows; take another with --engine."
    )


def _beside(systems: Sequence[System], pair: Pair, args: argparse.Namespace) -> dict[str, Any]:
    """Measure and print what drafts cost in these systems, side by side."""
    from alignatt4llm.bench.plan import quick, whole
    from alignatt4llm.bench.run import ratios
    from alignatt4llm.bench.run import run as measure
    from alignatt4llm.bench.tables import tables
    from alignatt4llm.bench.trial import Tried

    chunk = LATENCIES[args.latency].chunk
    plan = quick() if args.quick else whole(chunk, args.minutes, args.repeats)
    tried = [Tried(each, pair, args.latency, plan.minutes) for each in systems]
    found = measure(tried, plan, _tell)
    print(tables(found))
    asked = {name: getattr(args, name) for name in ("pair", "latency", "quick")}
    return {
        "systems": [asdict(each) for each in found],
        "ratios": ratios(found),
        "settings": {**asked, "minutes": plan.minutes, "version": version("alignatt4llm")},
    }


def _served(interpreter: "Interpreter", pair: Pair, args: argparse.Namespace) -> dict[str, Any]:
    """Measure and print what rows cost in a served engine."""
    from alignatt4llm.bench.engine import run as measure
    from alignatt4llm.bench.figures import FIGURES

    record = measure(interpreter, pair, args.repeats, _tell)
    print(f"{'streams':>8}{'ms per token':>14}{'with rows':>12}{'ratio':>8}{'tokens per s':>14}")
    for streams, found in record["ms_per_token"].items():
        plain, rows = found["plain"], found["rows"]
        ratio, speed = found["ratio"], 1000 / rows
        print(f"{streams:>8}{plain:14.2f}{rows:12.2f}{ratio:8.3f}{speed:14.1f}")
    print(f"{record['capture_overhead']:.3g}  {FIGURES['capture_overhead'].meaning}")
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


def _tell(message: str) -> None:
    print(f"measuring: {message}", file=sys.stderr, flush=True)
