"""``alignatt resend``: captions that a sink did not take, once more."""

import argparse
from pathlib import Path
from typing import Any

from alignatt4llm.cli import sinks
from alignatt4llm.cli.report import tell
from alignatt4llm.errors import UsageError
from alignatt4llm.files.writing import Replacing
from alignatt4llm.outputs.sinks.delivery import Delivery, Patience
from alignatt4llm.outputs.sinks.kept import Kept, read_undelivered

EXAMPLES = """\
examples:
  alignatt resend FILE --caption-sink youtube:URL    the file's first line says of which kind
"""


def add_parser(subparsers: Any) -> None:
    """Add the command's options."""
    parser = subparsers.add_parser(
        "resend",
        help="send captions again that were not delivered",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="as translate, listen or serve named it")
    sinks.add_options(
        parser, "where they go: the kind of sink, and its address anew", sinks.FeedsAny
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Send what the file holds, and remove it; 1 if a part of it is not delivered and stays."""
    found = read_undelivered(args.file)
    destinations = [where.of(found.origin) for where in sinks.destinations(args)]
    if [where.kind for where in destinations] != [found.kind]:
        raise UsageError(
            f"'{args.file}' was for {found.kind}; give its address: --caption-sink {found.kind}:…"
        )
    (where,) = destinations
    sink = where.open(found.origin, found.following)
    kept = Kept(args.file, where, found.origin, Replacing)
    delivery = Delivery(str(where), sink, kept, tell, _patience(len(found.cues)))
    for number, cue in found.cues:
        delivery.put(number, cue)
    delivery.finish(max((cue.end for _, cue in found.cues), default=0))
    try:
        delivery.wait()
    finally:
        delivery.settle()
    if delivery.undelivered:
        return 1
    args.file.unlink()
    tell(f"All captions of '{args.file}' are delivered to {where}; the file is removed.")
    return 0


def _patience(count: int) -> Patience:
    return Patience(whole=600.0 + count, waiting=count)
