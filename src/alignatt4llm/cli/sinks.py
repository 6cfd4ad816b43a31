"""Options that say where captions go."""

import argparse
from pathlib import Path
from uuid import uuid4

from platformdirs import user_state_path

from alignatt4llm.errors import UsageError
from alignatt4llm.outputs.sinks.table import SPELLINGS, Destination

HELP = f"where captions go: {SPELLINGS}; may be repeated"


def add_options(parser: argparse.ArgumentParser, what: str = HELP) -> None:
    """Add them."""
    parser.add_argument(
        "--caption-sink", action="append", default=[], metavar="KIND:ADDRESS", help=what
    )


def destinations(args: argparse.Namespace) -> tuple[Destination, ...]:
    """Return the sinks asked for.

    Raises
    ------
    AlignattError
        If one is none, or asked for twice, or a package is missing.
    """
    found = tuple(map(Destination.parse, args.caption_sink))
    if twice := next((each for each in found if found.count(each) > 1), None):
        raise UsageError(f"--caption-sink {twice} is given twice; leave one out.")
    return found


def new_session() -> str:
    """Return a name that no other stream has."""
    return uuid4().hex


def undelivered_folder() -> Path:
    """Return where captions are kept that were not delivered."""
    return user_state_path("alignatt4llm") / "undelivered"
