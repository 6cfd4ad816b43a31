"""``alignatt subtitle``: many recordings, each with subtitles, and nothing twice."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignatt4llm.archive.account import Account, Lengths
from alignatt4llm.archive.failures import write_failures
from alignatt4llm.archive.gather import Gathered, gather
from alignatt4llm.archive.items import Task
from alignatt4llm.archive.manifest import COLUMNS, LISTS
from alignatt4llm.archive.media import length
from alignatt4llm.archive.plan import Wanted, foreign, items, missing, whole
from alignatt4llm.archive.record import FAILED, Record
from alignatt4llm.archive.run import subtitle
from alignatt4llm.archive.work import Here, Order
from alignatt4llm.cli import background, cluster_options, subtitles, system
from alignatt4llm.cli.archive_display import ArchiveDisplay
from alignatt4llm.cli.files import Named, WritesInto
from alignatt4llm.cli.interrupt import Interrupt
from alignatt4llm.cli.play import add_channel
from alignatt4llm.cli.report import tell
from alignatt4llm.errors import UsageError
from alignatt4llm.files.apart import check_folder, keep_apart
from alignatt4llm.files.named import local
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.presets import preset
from alignatt4llm.text.languages import Pair, listed

if TYPE_CHECKING:
    from alignatt4llm.cluster.archive import Spread

EXAMPLES = f"""\
examples:
  alignatt subtitle lectures --to de it --out subtitles     lectures/a/1.mp4 becomes
                                                subtitles/a/1.de.srt and subtitles/a/1.it.srt
  alignatt subtitle lectures --to de --out lectures         beside the recordings
  alignatt subtitle talk.mp4 panel.mkv --to zh --format vtt ass --out subtitles
  alignatt subtitle list.csv --to de --out subtitles        columns {", ".join(COLUMNS)}
  alignatt subtitle subtitles/{FAILED} --to de it --out subtitles   what failed, once more
  alignatt subtitle s3://bucket/talk.mp4 --to de --out subtitles --cluster head:6379

The same command again does only what is missing or has changed, however the last one ended. The
exit code is 1 when a recording failed; it then stands in {FAILED}.
"""
_ABOUT_THE_RUN = (
    "inputs", "out", "again", "to", "source", "format", "cluster", "actors", "actor_cpus",
    "actor_gpus", "run", "default_of", "written",
)  # fmt: skip
"""Options that say nothing about what is in a file of results, beyond its name."""


class Results(WritesInto):
    """A folder that may be the one that is read; its files are compared with what is read later."""

    def paths(self, args: argparse.Namespace) -> list[Path]:
        """Return nothing that nobody else may name."""
        return []


class Formats(system.Known):
    """Takes a list of formats."""

    def known(self, text: str) -> bool:
        """Whether these are formats."""
        return all(name in OUTPUTS for name in listed([text]))

    def __call__(
        self, parser: object, namespace: argparse.Namespace, names: Any, option: object = None
    ) -> None:
        """Take the formats, each once."""
        super().__call__(parser, namespace, names, option)
        asked = list(dict.fromkeys(listed(getattr(namespace, self.dest))))
        if unknown := [name for name in asked if name not in OUTPUTS]:
            known = ", ".join(OUTPUTS)
            raise argparse.ArgumentError(self, f"'{unknown[0]}' is none of {known}")
        setattr(namespace, self.dest, asked)


def add_parser(subparsers: Any) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "subtitle",
        help="subtitle many recordings",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inputs = parser.add_argument(
        "inputs",
        nargs="+",
        type=Named,
        metavar="INPUT",
        help="a folder (searched with all folders in it), a recording, an address, or a list of "
        f"these ({', '.join(LISTS)}, or - for standard input)",
    )
    inputs.required = False  # languages may stand before it, see `system.Languages`
    parser.add_argument(
        "--out",
        type=Path,
        action=Results,
        required=True,
        metavar="DIR",
        help="where subtitles are written",
    )
    system.add_direction(parser, required=False)
    parser.add_argument(
        "--format", nargs="+", action=Formats, default=["srt"], metavar="NAME",
        help=f"what is written: {', '.join(OUTPUTS)} (default: srt)",
    )  # fmt: skip
    parser.add_argument(
        "--again", action="store_true", help="do what is named anew, also what is done"
    )
    parser.add_argument(
        "--track", type=int, metavar="N", help="which of several sound tracks, from 1"
    )
    add_channel(parser)
    subtitles.add_layout(parser)
    system.add_options(parser)
    cluster_options.add_options(parser)
    parser.set_defaults(run=run, default_of=parser.get_default)


def run(args: argparse.Namespace) -> int:
    """Subtitle what is missing; the exit code tells whether something failed."""
    if not args.inputs:
        raise UsageError("Say what to subtitle: a folder, recordings, or a list of them.")
    check_folder("--out", args.out)
    found = gather(args.inputs, args.out, tell, args.to or ())
    wanted = Wanted(args.source, args.to or (), args.format, _settings(args))
    with Record(args.out) as record:
        every = [whole(item, wanted) for item in items(found, wanted, record, tell)]
        order = _order(args, every)
        _check(found, every, args.out)
        if args.again:
            record.forget(every)
        tasks = missing(every, record)
        if others := foreign(every, record):
            tell(
                f"Files that are not from this command stay as they are: {len(others)}, the first "
                f"'{args.out / others[0].path}'; --again replaces them."
            )
        if done := len(every) - len(tasks):
            tell(f"{done} of {len(every)} recordings are done already.")
        stopped = _work(args, order, tasks, record)
        left = {task.item.source for task in missing(every, record)}
        over = {task.item.source for task in every} - left
        failed = [outcome for outcome in record.came.values() if outcome.problem]
        listed = write_failures(failed, over, found.entries, args.out)
    if stopped:
        made = f"{len(record.came) - len(failed)} of {len(tasks)} recordings"
        same = "the same command without --again" if args.again else "the same command"
        tell(f"Stopped: {made} are done; {same} goes on from here.")
        return 130
    if listed:
        tell(f"Failed: {len(failed)} of {len(tasks)} recordings, listed in '{listed}'.")
    return int(bool(listed))


def _work(args: argparse.Namespace, order: Order, tasks: Sequence[Task], record: Record) -> bool:
    """Do tasks; return whether Ctrl-C has ended that."""
    account = Account(len(tasks))
    sources = [task.item.source for task in tasks]
    with (
        _pool(args, order, record, bool(tasks)) as pool,
        Interrupt(pool.stop) as interrupt,
        Lengths(account, sources, length),
        ArchiveDisplay(account) as display,
        suppress(KeyboardInterrupt),
    ):
        for outcome in subtitle(tasks, pool, record, display.tell):
            display.show(outcome)
    return interrupt.asked


@contextmanager
def _pool(
    args: argparse.Namespace, order: Order, record: Record, some: bool
) -> "Iterator[Here | Spread]":
    """Yield what does some work, or none: this process, or the actors of a cluster."""
    if args.cluster is None or not some:
        yield Here(order, tell, record.begin)
        return
    with cluster_options.connection(args) as actors:
        from alignatt4llm.cluster.archive import Spread

        yield Spread.of(actors, order)


def _order(args: argparse.Namespace, tasks: Sequence[Task]) -> Order:
    """Return what the options ask for; raise UsageError where no model or format can do it."""
    chosen = preset(args.preset)
    asked = system.system(args)
    latency = LATENCIES[args.latency] if args.latency else chosen.latency
    pairs = {
        Pair(task.item.spoken, target): None
        for task in tasks
        for target in task.targets
        if task.item.spoken
    }
    order = Order(
        asked, latency, tuple(pairs), max(len(task.targets) for task in tasks),
        _absolute(args.rules), args.with_source, args.track, args.channel,
    )  # fmt: skip
    for pair in pairs:
        asked.check(pair)
        asked.chosen(pair)
        for form in args.format:
            order.output(form, [pair], None)
    background.check_glossary(asked.context, (each for task in tasks for each in task.targets))
    return order


def _absolute(rules: str) -> str:
    """Return rules whose file, if they are one, is found from anywhere."""
    return str(Path(rules).absolute()) if Path(rules).suffix.lower() == ".json" else rules


def _check(found: Gathered, tasks: Sequence[Task], out: Path) -> None:
    """See that no file of results is a recording or a list."""
    written = [("--out", out / file.path) for task in tasks for file in task.files]
    read = [path for task in tasks if (path := local(task.item.source)) is not None]
    keep_apart(written, [*read, *found.lists])


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for otherwise than by default, files by what is in them."""
    return {
        name: _plain(value)
        for name, value in vars(args).items()
        if name not in _ABOUT_THE_RUN and value != args.default_of(name)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    path = Path(value) if isinstance(value, Path | Named) else None
    if path and path.is_file():
        return sha256(path.read_bytes()).hexdigest()
    return str(value) if isinstance(value, Path) else value
