"""Options that say where captions go."""

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import Any
from uuid import uuid4

from platformdirs import user_state_path

from alignatt4llm.cli.files import Writes
from alignatt4llm.errors import UsageError
from alignatt4llm.outputs.sinks.base import TO
from alignatt4llm.outputs.sinks.table import SPELLINGS, Destination
from alignatt4llm.text.languages import Language

HELP = f"where captions go: {SPELLINGS}; LANG=… for one language only; may be repeated"


class Feeds(Writes):
    """Adds a sink, and notes the files that are written there."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, sink: Any, option: object = None
    ) -> None:
        """Take the sink."""
        super().__call__(parser, namespace, [*getattr(namespace, self.dest), sink])

    def paths(self, args: argparse.Namespace) -> list[Path]:
        """Return the files that are written."""
        return [path for each in destinations(args) for path in each.files]

    @staticmethod
    def check(name: str, path: Path) -> None:
        """Leave it to the sink, which makes its folder."""


def add_options(parser: argparse.ArgumentParser, what: str = HELP) -> None:
    """Add them."""
    parser.add_argument(
        "--caption-sink", action=Feeds, default=[], metavar="KIND:ADDRESS", help=what
    )


def destinations(
    args: argparse.Namespace, into: Collection[Language] | None = None
) -> tuple[Destination, ...]:
    """Return the sinks asked for.

    Parameters
    ----------
    args
        The options.
    into
        What is translated into, if that is known.

    Raises
    ------
    AlignattError
        If one is none, asked for twice or for another language, or if a package is missing.
    """
    found = tuple(map(Destination.parse, args.caption_sink))
    if twice := next((each for each in found if found.count(each) > 1), None):
        raise UsageError(f"--caption-sink {twice} is given twice; leave one out.")
    codes = [each.code for each in into or ()]
    for each in found:
        if codes and each.to not in ("", *codes):
            raise UsageError(
                f"--caption-sink {each.to}={each} is for {each.to}; --to is {', '.join(codes)}."
            )
        if len(codes) > 1 and not each.to and TO not in each.address:
            raise UsageError(
                f"--caption-sink {each} would get every language of --to; put {{to}} into the "
                f"address, or say which, as in {codes[0]}={each.kind}:…"
            )
    return found


def new_session() -> str:
    """Return a name that no other stream has."""
    return uuid4().hex


def undelivered_folder() -> Path:
    """Return where captions are kept that were not delivered."""
    return user_state_path("alignatt4llm") / "undelivered"
