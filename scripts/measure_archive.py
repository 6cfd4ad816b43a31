"""Measure archives: how the work grows with actors, and that a killed run is brought to its end.

    python scripts/measure_archive.py                   200 recordings, one, two and four actors
    python scripts/measure_archive.py --files 40 --cost 0.1

Subtitles recordings of tones on a Ray cluster of this machine. The engine needs no models and
sleeps for a fixed time a second of audio. Throughput is that from the first result to the last. The
last run is killed without grace when half of it is done, and started again. Prints a table of
ratios.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from alignatt4llm.archive.gather import gather
from alignatt4llm.archive.items import Outcome, Task
from alignatt4llm.archive.plan import Wanted, items, missing, whole
from alignatt4llm.archive.record import DONE, FOLDER, Record
from alignatt4llm.archive.run import subtitle
from alignatt4llm.archive.work import Order, Worker
from alignatt4llm.cluster.archive import Spread
from alignatt4llm.cluster.spread import LOCAL, Actors, connected
from alignatt4llm.errors import silent
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

ACTORS = (1, 2, 4)
WORDS = 5
"""Words of a recording, of 0.4 seconds each."""


def slow(order: Order, cost: float) -> Callable[[Task], Outcome]:
    """Load a worker that sleeps for ``cost`` seconds a second of audio."""
    worker = Worker(order)

    def work(task: Task) -> Outcome:
        outcome = worker(task)
        time.sleep(cost * outcome.audio_s)
        return outcome

    return work


def work(talks: Path, out: Path, count: int, cost: float) -> None:
    """Subtitle what is missing; print the time of each result."""
    wanted = Wanted("en", ("de",), ("srt",), {})
    scripted = System("scripted", "scripted", "scripted")
    order = Order(scripted, LATENCIES["medium"], (Pair.parse("en-de"),))
    actors = Actors(count, count)
    with Record(out) as record, connected(LOCAL, actors):
        found = items(gather([str(talks)], out, silent), wanted, record, silent)
        tasks = missing([whole(item, wanted) for item in found], record)
        pool = Spread(actors, partial(slow, order, cost))
        for outcome in subtitle(tasks, pool, record, print):
            print(json.dumps([time.monotonic(), outcome.problem]), flush=True)


def run(arguments: list[str], out: Path, count: int, kill_after: int = 0) -> list[float]:
    """Do the work in a process of its own; return when each result came."""
    command = [sys.executable, __file__, *arguments, "--work", str(count), "--out", str(out)]
    times: list[float] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            when, problem = json.loads(line)
            assert not problem, problem
            times.append(when)
            if len(times) == kill_after:
                os.kill(process.pid, signal.SIGKILL)
                break
    return times


def rate(times: list[float]) -> float:
    """Return results a second, the first left out: it waited for what is loaded."""
    return (len(times) - 1) / (times[-1] - times[0])


def noted(out: Path) -> list[str]:
    """Return the names of what the record says is done."""
    lines = (out / FOLDER / DONE).read_text("utf-8").splitlines()
    return sorted(json.loads(line)["name"] for line in lines)


def results(out: Path) -> dict[str, bytes]:
    """Return every file of subtitles."""
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.srt"))}


def measure(args: argparse.Namespace, folder: Path) -> None:
    """Measure and print."""
    from archives import talk

    for number in range(args.files):
        talk(folder / "talks" / f"{number:04}.wav", [(number + word) % 40 for word in range(WORDS)])
    arguments = [f"--talks={folder / 'talks'}", f"--cost={args.cost}"]
    rates = {n: rate(run(arguments, folder / f"out{n}", n)) for n in ACTORS}
    print("| actors | recordings a second, of those with one | of what they could be |")
    print("|---:|---:|---:|")
    for n, found in rates.items():
        times = found / rates[ACTORS[0]]
        print(f"| {n} | {times:.2f} | {times / n:.0%} |")
    killed = folder / "killed"
    before = len(run(arguments, killed, 2, kill_after=args.files // 2))
    kept = len(noted(killed))
    after = len(run(arguments, killed, 2))
    names, undisturbed, made = noted(killed), results(folder / f"out{ACTORS[0]}"), results(killed)
    other = sum(made.get(name) != text for name, text in undisturbed.items())
    print(
        f"\nKilled after {before} results, of which {kept} were noted; the second run made {after}."
        f" Noted twice: {len(names) - len(set(names))}, missing: {args.files - len(set(names))}, "
        f"other than undisturbed: {other}."
    )


def main() -> None:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=200, help="recordings (default: %(default)s)")
    parser.add_argument(
        "--cost", type=float, default=0.25, help="seconds a second of audio (default: %(default)s)"
    )
    for name, kind in {"--talks": Path, "--out": Path, "--work": int}.items():
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.talks, args.out, args.work, args.cost)
        return
    with TemporaryDirectory() as folder:
        measure(args, Path(folder))


if __name__ == "__main__":
    main()
