"""Context from the command line, and the glossary's report at the end."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from alignatt4llm.errors import UsageError
from alignatt4llm.events import Close, Event
from alignatt4llm.prompts.context import BUDGET, Context
from alignatt4llm.prompts.glossary import Term, check, read_glossary, report
from alignatt4llm.prompts.passages import Passages, read_document
from alignatt4llm.text.languages import Language


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that tell the model what the talk is about."""
    group = parser.add_argument_group("context", "what the model should know besides the speech")
    group.add_argument("--title", default="", metavar="TEXT", help="of the talk")
    group.add_argument("--abstract", type=Path, metavar="FILE", help="text of the abstract")
    group.add_argument("--notes", default="", metavar="TEXT", help="anything else")
    group.add_argument("--glossary", type=Path, metavar="FILE", help="'term = translation' a line")
    group.add_argument(
        "--document", type=Path, action="append", default=[], metavar="FILE",
        help="PDF or text whose relevant passages are shown as the talk goes; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--context-budget", type=int, default=BUDGET, metavar="N",
        help="characters of context at most (default: %(default)s)",
    )  # fmt: skip


def context(args: argparse.Namespace) -> Context | None:
    """Return the context asked for; None if none was.

    Raises
    ------
    AlignattError
        If a file cannot be read.
    """
    given = (args.title, args.abstract, args.notes, args.glossary, args.document)
    if not any(given):
        return None
    return Context(
        title=args.title,
        abstract=read_document(args.abstract) if args.abstract else "",
        notes=args.notes,
        glossary=read_glossary(args.glossary) if args.glossary else (),
        passages=Passages([read_document(path) for path in args.document])
        if args.document
        else None,
        budget=args.context_budget,
    )


def check_glossary(context: Context | None, targets: Iterable[Language]) -> None:
    """Raise UsageError if there is a glossary and not just one target that it can be for."""
    if context and context.glossary and len(set(targets)) != 1:
        raise UsageError("A glossary is for one target language; name one with --to.")


class GlossaryReport:
    """An output that says at the end how the glossary was kept."""

    def __init__(self, glossary: tuple[Term, ...]) -> None:
        self._glossary = glossary
        self._closed: list[Close] = []

    def write(self, event: Event) -> None:
        """Collect closed utterances in which a term is heard, and their neighbours."""
        if isinstance(event, Close):
            self._closed.append(event)

    def close(self) -> None:
        """Print the report."""
        if text := report(check(self._glossary, self._closed)):
            print(f"alignatt: {text}", file=sys.stderr)
