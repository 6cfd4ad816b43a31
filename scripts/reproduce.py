"""Every table and curve of docs/results.md, from recordings: run by scripts/reproduce.sh.

Runs that are finished are kept, runs that were stopped go on. What was measured is written to
docs/results.json, and the tables of the pages are made of that.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from alignatt4llm.cli import system
from alignatt4llm.cli.main import parser
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.evaluate.corpus import read_corpus
from alignatt4llm.evaluate.curve import Point, plot, point
from alignatt4llm.evaluate.join import join
from alignatt4llm.evaluate.names import distinct, run_name
from alignatt4llm.evaluate.page import fill, table
from alignatt4llm.evaluate.record import (
    Entry,
    Field,
    Planned,
    compared,
    dropped,
    measured,
    read_record,
    write_record,
)
from alignatt4llm.evaluate.runs import is_finished, is_run_of
from alignatt4llm.evaluate.sweep import expected
from alignatt4llm.files.writing import write_whole

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "alignatt4llm.cli.main"]


@dataclass(frozen=True)
class Task:
    """One run: how it is made, how long that takes, and which runs it is drawn with."""

    planned: Planned
    arguments: list[str]
    hours: float
    drawn_with: tuple[str, ...]


class Reproduction:
    """The runs of a configuration over a folder of recordings, and the pages made of them."""

    def __init__(self, config: Path, data: Path, out: Path, root: Path) -> None:
        self.config = yaml.safe_load(config.read_text("utf-8"))
        self.data, self.out, self.root = data, out, root
        self.record_file = root / "docs" / "results.json"
        self._join()
        self._parser, self._read = parser(), cache(read_corpus)
        self.tasks = list(self._tasks())

    def _join(self) -> None:
        """Make recordings of clips."""
        for name, clips in self.config.get("join", {}).items():
            join(self.data / clips, self.out / "data" / name)

    def _tasks(self) -> Iterator[Task]:
        several = ("model", "pair", "policy", "latency", "closings")
        for told in self.config["runs"]:
            line = {**self.config["all"], **told}
            values = [one if isinstance(one, list) else [one] for one in map(line.get, several)]
            for model, pair, policy, latency, closings in product(*values):
                if closings in distinct(policy, [closings]):
                    one = (model, pair, policy, latency, closings)
                    yield self._task({**line, **dict(zip(several, one, strict=True))})

    def _task(self, line: dict[str, Any]) -> Task:
        changes = [f"{key}={value}" for key, value in line.get("set", {}).items()]
        closes = line["closings"]
        own = run_name(line["pair"], line["policy"], line["latency"], closes, changes)
        name = f"{line['data']}.{line['model']}.{own}"
        folder = self.out / "runs" / name
        joined = line["data"] in self.config.get("join", {})
        data = (self.out / "data" if joined else self.data) / line["data"]
        arguments = ["evaluate", "run", "--data", str(data), "--out", str(folder)]
        for key in ("model", "engine", "pair", "policy", "latency", "closings", "skip"):
            arguments += [f"--{key}", str(line[key])]
        arguments += [*(["--set", *changes] if changes else []), *line.get("options", "").split()]
        hours = self.config["hours"][line["data"]][line["model"]]
        drawn_with = (line["data"], line["model"], line["pair"])
        return Task(self._planned(name, folder, arguments), arguments, hours, drawn_with)

    def _planned(self, name: str, folder: Path, arguments: list[str]) -> Planned:
        args = self._parser.parse_args(arguments)
        found = expected(args, system.models(args), self._read)
        if found is None:
            raise UsageError(f"{name}: its model has no head set; give one with 'options'.")
        return Planned(name, folder, *found)

    def state(self, task: Task) -> str:
        """Say how far a run is."""
        planned = task.planned
        if not is_run_of(planned.folder, planned.manifest, planned.recordings):
            return "other" if planned.folder.exists() else "to do"
        return "done" if is_finished(planned.folder) else "begun"

    def run(self, tasks: list[Task]) -> list[str]:
        """Make what is not finished; return the names of runs that failed."""
        failed = []
        for number, task in enumerate(tasks, 1):
            state = self.state(task)
            if state == "done":
                continue
            tell(f"[{number}/{len(tasks)}] {task.planned.name}")
            if state == "other":
                _put_aside(task.planned.folder)
            if execute(task.arguments):
                failed.append(task.planned.name)
            else:
                self.write([task])
        return failed

    def write(self, tasks: list[Task]) -> None:
        """Score what is finished, then write record, pages and curves."""
        record, planned = read_record(self.record_file), [task.planned for task in self.tasks]
        for name in dropped(record, planned):
            tell(f"dropped: {name} (it was measured with other settings, or is not run any more)")
            del record[name]
        finished = [task.planned for task in self.tasks if self.state(task) == "done"]
        for one in finished:
            _add(record, one)
        for field in self._fields({task.drawn_with for task in tasks}):
            compared(record, field, [one.name for one in finished])
        write_record(self.record_file, record)
        self._curves(record)
        self._pages(record)

    def tell_left_out(self) -> None:
        """Name finished runs that are not in the record."""
        record = read_record(self.record_file)
        for task in self.tasks:
            if task.planned.name not in record and self.state(task) == "done":
                tell(f"left out: {task.planned.name} (its manifest names no commit)")

    def _fields(self, wanted: set[tuple[str, ...]]) -> Iterator[Field]:
        for drawn in wanted:
            runs = [task.planned for task in self.tasks if task.drawn_with == drawn]
            of = [one for one in runs if fnmatchcase(one.name, self.config["reference"])]
            yield Field(runs, of[0] if of else None)

    def _pages(self, record: dict[str, Entry]) -> None:
        tables: dict[str, dict[str, str]] = {}
        for one in self.config["tables"]:
            names = [task.planned.name for task in self.tasks]
            rows = [n for mark in one["rows"] for n in names if fnmatchcase(n, mark)]
            entries = [record[name] for name in dict.fromkeys(rows) if name in record]
            shown = table(entries, one["columns"])
            if one["name"] == self.config["curves"]["table"]:
                shown += "".join(f"\n\n{picture}" for picture in self._pictures(record))
            tables.setdefault(one["page"], {})[one["name"]] = shown
        for page, blocks in tables.items():
            path = self.root / page
            write_whole(path, fill(path.read_text("utf-8"), blocks))

    def _curves(self, record: dict[str, Entry]) -> None:
        for picture, points in self._drawn(record).items():
            plot(points, self.root / picture)

    def _drawn(self, record: dict[str, Entry]) -> dict[Path, list[Point]]:
        """Return the points of each picture; a single point is no curve."""
        drawn: dict[Path, list[Point]] = {}
        folder = Path(self.config["curves"]["folder"])
        for task in self.tasks:
            data, model, pair = task.drawn_with
            if data == self.config["curves"]["data"] and task.planned.name in record:
                points = drawn.setdefault(folder / f"results-{model}-{pair}.svg", [])
                points.append(_point(task.planned.name, record[task.planned.name]))
        return {picture: points for picture, points in drawn.items() if len(points) > 1}

    def _pictures(self, record: dict[str, Entry]) -> Iterator[str]:
        for picture in self._drawn(record):
            yield f"![chrF over LongYAAL](images/{picture.name})"


def _add(record: dict[str, Entry], one: Planned) -> None:
    """Score a run, unless it is in the record as it is."""
    manifest = one.folder / "manifest.json"
    commits = yaml.safe_load(manifest.read_text("utf-8")).get("commits", [])
    if not commits:
        record.pop(one.name, None)
    elif one.name not in record or record[one.name]["commits"] != commits:
        record[one.name] = measured(one)


def _point(name: str, entry: Entry) -> Point:
    figures = {measure: {"value": figure[0]} for measure, figure in entry["figures"].items()}
    return point({"run": entry["run"], **figures}, name)


def _put_aside(folder: Path) -> None:
    """Rename the folder of another run, so that nothing that was computed is lost."""
    number = next(n for n in range(1, 1000) if not Path(f"{folder}.old-{n}").exists())
    folder.rename(f"{folder}.old-{number}")
    tell(f"'{folder}' held another run; it is now '{folder}.old-{number}'.")


def execute(arguments: list[str]) -> int:
    """Run the command in a process of its own; return its status."""
    return subprocess.run([*COMMAND, *arguments], check=False).returncode


def tell(message: str) -> None:
    """Say what is done."""
    print(message, flush=True)


def announce(made: Reproduction, tasks: list[Task]) -> None:
    """Say run by run how far it is and how long the rest takes."""
    left = 0.0
    for task in tasks:
        state = made.state(task)
        hours = 0.0 if state == "done" else task.hours
        left += hours
        tell(f"{hours:7.2f} h  {state:5}  {task.planned.name}")
    tell(f"{left:7.2f} h of computing are expected on two cores, in {len(tasks)} runs.")


def options() -> argparse.ArgumentParser:
    """Describe the command."""
    found = argparse.ArgumentParser("scripts/reproduce.sh", description=__doc__)
    found.add_argument("--data", type=Path, required=True, help="folder of the recordings")
    found.add_argument("--out", type=Path, default=ROOT / "results", help="where runs are kept")
    found.add_argument("--only", default="", metavar="PATTERN", help="only runs with such a name")
    found.add_argument("--dry-run", action="store_true", help="say what would be run, and no more")
    found.add_argument("--tables", action="store_true", help="write the pages and run nothing")
    found.add_argument("--config", type=Path, default=ROOT / "configs" / "results.yaml")
    found.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Announce, run, and write the pages."""
    args = options().parse_args(arguments)
    try:
        made = Reproduction(args.config, args.data, args.out, args.root)
        tasks = [one for one in made.tasks if fnmatchcase(one.planned.name, f"*{args.only}*")]
        if not tasks:
            raise UsageError(f"--only {args.only}: no run has such a name.")
        announce(made, tasks)
        failed = []
        if not args.dry_run:
            failed = [] if args.tables else made.run(tasks)
            made.write(made.tasks)
            made.tell_left_out()
        for name in failed:
            tell(f"failed: {name}")
    except AlignattError as error:
        print(f"reproduce: error: {error}", file=sys.stderr)
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
