"""Options that say how subtitles are written."""

import argparse
from pathlib import Path

from alignatt4llm.cli.each import WritesEach
from alignatt4llm.cli.files import Named
from alignatt4llm.errors import UsageError
from alignatt4llm.files.apart import check_file
from alignatt4llm.outputs.rules import NAMED
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.subtitles import KINDS
from alignatt4llm.text.languages import Pair

RULES_HELP = f"{', '.join(NAMED)}, or a JSON file with rules (default: %(default)s)"


class WritesSubtitles(WritesEach):
    """Notes that an option's file is subtitles, whose suffix says of which kind."""

    @staticmethod
    def check(name: str, path: Path) -> None:
        """See that there is such a kind and that the file can be written."""
        if suffix(path) not in KINDS:
            known = ", ".join(f".{kind}" for kind in KINDS)
            raise UsageError(f"{name}: '{path}' must end in {known}.")
        check_file(name, path)


def suffix(path: Path) -> str:
    """Return the suffix of a file as kinds of subtitles are named."""
    return path.suffix.lower().removeprefix(".")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    kinds = ", ".join(f".{kind}" for kind in KINDS)
    parser.add_argument(
        "--subtitles",
        type=Path,
        action=WritesSubtitles,
        metavar="FILE",
        help=f"write subtitles as the name's end says: {kinds}",
    )
    add_layout(parser)
    parser.add_argument(
        "--final", action="store_true", help="lay subtitles out anew when all is said"
    )


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how subtitles are laid out."""
    parser.add_argument(
        "--rules",
        type=Named,
        default=Named("netflix"),
        metavar="RULES",
        help=f"what subtitles keep to: {RULES_HELP}",
    )
    parser.add_argument(
        "--with-source", action="store_true", help="the source under the lines of subtitles"
    )


def style(args: argparse.Namespace, pair: Pair) -> Style:
    """Return what the options say; raise UsageError for rules that are none."""
    return Style.of(pair, args.rules, args.with_source, args.final)
