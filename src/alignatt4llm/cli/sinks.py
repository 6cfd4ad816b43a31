"""Options that say where captions go."""

import argparse
from collections import Counter
from collections.abc import Collection
from itertools import permutations, product, starmap
from pathlib import Path
from typing import Any
from uuid import uuid4

from platformdirs import user_state_path

from alignatt4llm.cli.files import Writes
from alignatt4llm.cli.spoken import named
from alignatt4llm.errors import UsageError
from alignatt4llm.outputs.sinks.base import SESSION, TO, Origin
from alignatt4llm.outputs.sinks.table import SPELLINGS, Destination
from alignatt4llm.text.languages import LANGUAGES, Language, Pair, language, listed

HELP = f"where captions go: {SPELLINGS}; LANG=… for one language only; may be repeated"


class Feeds(Writes):
    """Adds a sink, and notes the files that are written there."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, sink: Any, option: object = None
    ) -> None:
        """Take the sink."""
        super().__call__(parser, namespace, [*getattr(namespace, self.dest), sink])

    def paths(self, args: argparse.Namespace) -> list[Path]:
        """Return the files that are written; raise UsageError if two sinks of a stream are one."""
        given = destinations(args)
        filled = [_filled(given, pair) for pair in self.pairs(args)]
        for places in filled:
            _check_once([where for where in places.values() if not where.files])
        each = dict.fromkeys(place for places in filled for place in places.items())
        return [path for _, where in each for path in where.files]

    @staticmethod
    def pairs(args: argparse.Namespace) -> list[Pair]:
        """Return the directions of the stream; with any source if that is to be found out."""
        spoken = named(args.source)
        sources = [spoken] if spoken else LANGUAGES.values()
        both = product(sources, map(language, listed(args.to)))
        return [Pair(source, target) for source, target in both if source != target]

    @staticmethod
    def check(name: str, path: Path) -> None:
        """Leave it to the sink, which makes its folder."""


class FeedsAny(Feeds):
    """Adds a sink for streams of which nothing is known yet."""

    @staticmethod
    def pairs(args: argparse.Namespace) -> list[Pair]:
        """Return all directions."""
        return list(starmap(Pair, permutations(LANGUAGES.values(), 2)))


def add_options(
    parser: argparse.ArgumentParser, what: str = HELP, action: type[Feeds] = Feeds
) -> None:
    """Add them."""
    parser.add_argument(
        "--caption-sink", action=action, default=[], metavar="KIND:ADDRESS", help=what
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
    _check_once(found)
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


def _filled(given: Collection[Destination], pair: Pair) -> dict[Destination, Destination]:
    """Return the sinks of a direction as they are given and as they are opened for any session."""
    return {each: each.of(Origin(SESSION, pair, 0.0)) for each in given if each.takes(pair)}


def _check_once(sinks: Collection[Destination]) -> None:
    if twice := next((each for each, count in Counter(sinks).items() if count > 1), None):
        raise UsageError(f"--caption-sink {twice} is given twice; leave one out.")


def new_session() -> str:
    """Return a name that no other stream has."""
    return uuid4().hex


def undelivered_folder() -> Path:
    """Return where captions are kept that were not delivered."""
    return user_state_path("alignatt4llm") / "undelivered"
