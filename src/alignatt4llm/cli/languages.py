"""``alignatt languages``: what can be said into what, with which model and head set."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from alignatt4llm.cli.report import tell
from alignatt4llm.heads.choice import MEASURES, choose, every_pair
from alignatt4llm.recognizers.loading import known_languages, names, require_known
from alignatt4llm.settings.candidates import RANKED
from alignatt4llm.text.languages import LANGUAGES, Pair, language
from alignatt4llm.weights.adapters import find_adapter, identity_here
from alignatt4llm.weights.cards import TRANSLATORS
from alignatt4llm.weights.models import short_name

_WIDTH = 120
"""Characters of a line where it is no terminal's."""

EXAMPLES = """\
examples:
  alignatt languages --from en                     what English is translated into
  alignatt languages --from de --to en --model embedded
  alignatt languages --model my-model --json       for programs
"""


def add_parser(subparsers: Any) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "languages",
        help="what can be said into what, with which model and head set",
        description="List directions, by model, with the head set that each has: own, kept (it was "
        "calibrated on this computer; 'by name' where only loading the model tells for which "
        "weights), pooled (one for every direction), or none (it is calibrated on first use); and "
        "its truncation AUC and source-word accuracy on held-out sentences. "
        "Languages that the model or the recogniser does not know are left out.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--from", dest="source", metavar="LANG", help="only out of this language")
    parser.add_argument("--to", metavar="LANG", help="only into this language")
    parser.add_argument(
        "--model", metavar="NAME", action="append",
        help="this model; may be repeated. By default those that come with the package",
    )  # fmt: skip
    parser.add_argument(
        "--recognizer", default="embedded", metavar="NAME",
        help=f"what hears: {', '.join(names())}, or a Whisper size (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class Row:
    """A direction with a model.

    Attributes
    ----------
    pair
        Direction.
    model
        As the user calls it.
    heads
        A name from `heads.choice.KINDS`, or ``none``.
    quality
        Its `MEASURES`, as far as known.
    """

    pair: Pair
    model: str
    heads: str
    quality: dict[str, float]

    def described(self) -> dict[str, Any]:
        """Return it for programs; what is not known is null."""
        measured = {name: self.quality.get(name) for name in MEASURES}
        source, target = self.pair.source.code, self.pair.target.code
        return {"from": source, "to": target, "model": self.model, "heads": self.heads, **measured}


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    rows = list(_rows(args))
    if args.json:
        print(json.dumps([row.described() for row in rows], ensure_ascii=False, indent=1))
    else:
        _print(rows)
    return 0


def _rows(args: argparse.Namespace) -> Iterator[Row]:
    source, target = (language(each, tell).code if each else "" for each in (args.source, args.to))
    if source and target:
        Pair.parse(f"{source}-{target}").check()
    heard = known_languages(args.recognizer).split() or list(LANGUAGES)
    if source:
        require_known(args.recognizer, LANGUAGES[source])
    wanted = [
        pair
        for pair in map(Pair.parse, every_pair())
        if pair.source.code in ([source] if source else heard) and target in ("", pair.target.code)
    ]
    for model in args.model or ():
        yield from _of_model(model, wanted)
    for each in () if args.model else RANKED:
        taught = [pair for pair in wanted if str(pair) in each.better]
        yield from _of_model(each.model, taught if each.taught else wanted)


def _of_model(model: str, wanted: list[Pair]) -> Iterator[Row]:
    taught, card = find_adapter(model), TRANSLATORS.get(model)
    name, base = (taught.name, taught.base) if taught else (short_name(model), "")
    weights = identity_here(model, taught)
    for pair in wanted:
        if card and not (card.knows(pair.source.code) and card.knows(pair.target.code)):
            continue
        own = taught.head_set(pair) if taught else None
        found = choose(name, pair, base=base, own=own, key=lambda: weights)
        yield Row(pair, model, found.kind if found else "none", found.quality if found else {})


def _print(rows: list[Row]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("from", "into", "model", "head set", "AUC", "accuracy"):
        table.add_column(name)
    for row in rows:
        measured = (row.quality.get(name) for name in MEASURES)
        table.add_row(
            _named(row.pair.source.code),
            _named(row.pair.target.code),
            row.model,
            "kept (for some weights of this name)" if row.heads == "kept by name" else row.heads,
            *("unknown" if value is None else f"{value:.2f}" for value in measured),
        )
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)


def _named(code: str) -> str:
    return f"{code} {LANGUAGES[code].name}"
