"""Simulate a cluster of any size: how late sessions are, what a machine less does, what it costs.

    alignatt bench --quick --engine llama.cpp --json bench.json
    python scripts/simulate_cluster.py --bench bench.json --hear samples/lj001.ogg
    python scripts/simulate_cluster.py --costs costs.json --sessions 100 --deaths 2 --price 1.50

Replays measured times through the code that admits sessions and places streams; docs/cluster.md
says what is in it and what is not. Machines are as many as ``--each`` asks for. Prints Markdown.
"""

import argparse
import gc
import json
import logging
import random
import sys
import time
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from alignatt4llm.audio.decode import chunks, read
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.cluster.simulation.costs import Costs
from alignatt4llm.cluster.simulation.ring import Ring
from alignatt4llm.cluster.simulation.shapes import Result, Shape
from alignatt4llm.cluster.simulation.simulate import Simulation
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.recognizers.loading import load_recognizer
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import LANGUAGES

HEADINGS = (
    *("sessions", "machines", "refused", "median, s", "95 %", "99 %", "prompts read anew"),
    *("engine, mean", "most", "recogniser, most", "ledger", "first full", "resumed", "silent, s"),
    *("a session-hour", "simulated in, s"),
)


def read_costs(asked: argparse.Namespace) -> Costs:
    """Return what takes how much time."""
    if asked.costs:
        return Costs.read(json.loads(asked.costs.read_text("utf-8")))
    if not asked.bench:
        raise UsageError("Name what was measured, with --bench or --costs.")
    systems = json.loads(asked.bench.read_text("utf-8"))["systems"]
    names = {f"{each['engine']}/{each['model']}": each for each in systems}
    name = asked.system or next(iter(names))
    if name not in names:
        raise UsageError(f"There is no system '{name}'. There are: {', '.join(names)}.")
    heard = step(asked.hear, asked.recognizer, asked.latency) if asked.hear else asked.recognise
    return Costs.of_bench(names[name]["figures"], asked.prompt, heard)


def step(recording: Path, recognizer: str, latency: str) -> float:
    """Return the seconds that a recogniser takes for a chunk of a recording, in the median."""
    chosen, seconds = LATENCIES[latency], []
    ears = load_recognizer(recognizer).open(LANGUAGES["en"], chosen.hold_back)
    for samples in chunks(read(str(recording)), round(chosen.chunk * SAMPLE_RATE)):
        began = time.perf_counter()
        ears.feed(samples)
        seconds.append(time.perf_counter() - began)
    print(f"{recognizer}: {np.median(seconds):.3f} s a step\n", flush=True)
    return float(np.median(seconds))


def simulated(asked: argparse.Namespace, costs: Costs, sessions: int) -> tuple[Shape, Result]:
    """Simulate some number of sessions that begin at random times of the ramp."""
    chance = random.Random(asked.seed)
    places = ceil(sessions * asked.places)
    chunk = LATENCIES[asked.latency].chunk
    shape = Shape(
        ceil(sessions / asked.each), places, asked.fronts, asked.engines, asked.streams, chunk
    )
    begins = sorted(chance.random() * asked.ramp for _ in range(sessions))
    dying = chance.sample(range(shape.machines), min(asked.deaths, shape.machines - 1))
    deaths = [(asked.ramp + (asked.seconds - asked.ramp) * chance.random(), m) for m in dying]
    run = Simulation(shape, costs, begins, asked.seconds, Ring, deaths, asked.seed)
    return shape, run.run()


def cells(shape: Shape, result: Result, sessions: int, price: float, took: float) -> list[object]:
    """Return a row of the table."""
    engine, ears, ledger = (result.use[name] for name in ("engine", "recogniser", "ledger"))
    late = [f"{lag:.2f}" for lag in result.lag(50, 95, 99)] or ["", "", ""]
    silent = f"{np.median(result.gaps):.1f}" if len(result.gaps) else ""
    hour = f"{price * shape.machines / result.most:.4f}" if price and result.most else ""
    return [
        *(f"{sessions:,}", f"{shape.machines:,}", f"{result.refused:,}", *late),
        *(f"{result.missed:.1%}", f"{engine.mean:.0%}", f"{engine.most:.0%}"),
        *(f"{ears.most:.0%}", f"{ledger.most:.2%}", result.fullest),
        *(result.resumed, silent, hour, f"{took:.0f}"),
    ]


def row(cells: Sequence[object]) -> None:
    """Print a row."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def parsed() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])

    def add(name: str, kind: Any, default: Any, told: str) -> None:
        parser.add_argument(name, type=kind, default=default, help=told)

    add("--bench", Path, None, "what 'alignatt bench --json' wrote")
    add("--system", str, "", "which of its systems, as llama.cpp/embedded; the first by default")
    add("--prompt", int, 300, "tokens of a prompt of which nothing is kept")
    add("--recognise", float, 0.0, "seconds of the recogniser a step")
    add("--hear", Path, None, "measure it on an English recording instead")
    add("--recognizer", str, "embedded", "the recogniser that is measured")
    add("--costs", Path, None, "what measure_cluster.py wrote, instead of --bench")
    parser.add_argument("--sessions", type=int, nargs="+", default=[10, 100, 1000, 10_000, 100_000])
    add("--each", float, 4, "sessions that a machine is there for")
    add("--fronts", int, 1, "session replicas on each machine")
    add("--engines", int, 1, "engine replicas on each machine")
    add("--streams", int, 8, "streams that an engine replica keeps, and drafts for at once")
    add("--places", float, 1.0, "places for each session; below 1 some are refused")
    parser.add_argument("--latency", choices=[*LATENCIES], default="medium")
    add("--seconds", float, 60, "how long each session speaks")
    add("--ramp", float, 20, "seconds in which they begin")
    add("--deaths", int, 0, "machines that die, after the ramp")
    add("--price", float, 0.0, "of a machine for an hour")
    add("--seed", int, 0, "of all that is left to chance")
    return parser.parse_args()


def main() -> None:
    """Simulate and print."""
    asked = parsed()
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    gc.disable()  # nothing here refers to itself
    try:
        costs = read_costs(asked)
        row(HEADINGS)
        row(["---:"] * len(HEADINGS))
        for sessions in asked.sessions:
            began = time.perf_counter()
            shape, result = simulated(asked, costs, sessions)
            took = time.perf_counter() - began
            row(cells(shape, result, sessions, asked.price, took))
    except AlignattError as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
