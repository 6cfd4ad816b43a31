"""``alignatt completion``: what a shell needs to complete commands and options."""

import argparse
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import shtab

from alignatt4llm.cli.files import Named
from alignatt4llm.recognizers.loading import names
from alignatt4llm.text.languages import LANGUAGES
from alignatt4llm.translators.table import AUTO, ENGINES
from alignatt4llm.weights.cards import TRANSLATORS
from alignatt4llm.weights.embedded import EMBEDDED

EXAMPLES = """\
examples:
  eval "$(alignatt completion bash)"     in ~/.bashrc
  eval "$(alignatt completion zsh)"      in ~/.zshrc, after compinit
"""
MODELS = tuple(model.name for model in EMBEDDED if model.kind == "llm")
OFFERED: Mapping[str, Collection[str]] = {
    "to": LANGUAGES,
    "source": LANGUAGES,
    "engine": (AUTO, *ENGINES),
    "model": (AUTO, *MODELS, *TRANSLATORS),
    "recognizer": names(),
}
"""What is offered for options that take other values too."""


def add_parser(subparsers: Any) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "completion",
        help="print what completes commands and options in your shell",
        description="Print what completes commands, options and their values in your shell.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="your shell")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    from alignatt4llm.cli.main import parser

    whole = parser()
    for action in _actions(whole):
        action.choices = action.choices or OFFERED.get(action.dest)
        if action.type in (Path, Named):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(whole, args.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield what a parser and those of its commands take."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _actions(each)
