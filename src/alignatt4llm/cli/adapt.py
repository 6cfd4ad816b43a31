"""``alignatt adapt``: teach a model to interpret."""

import argparse
from pathlib import Path
from typing import Any

from alignatt4llm.cli.files import WritesInto
from alignatt4llm.cli.interrupt import Interrupt
from alignatt4llm.cli.report import tell
from alignatt4llm.errors import UsageError, extra
from alignatt4llm.text.languages import Pair
from alignatt4llm.weights.cards import TRANSLATORS

EXAMPLES = """\
examples:
  alignatt adapt --model embedded --pair en-de en-it --steps 1500 \\
      --data 'text/ntrex.{}.txt' 'text/tatoeba.{}.tsv' \\
      --licence 'CC BY-SA 4.0' --licence 'CC BY 2.0 FR' \\
      --test 'text/flores.{}.txt' --out interpreter
  alignatt translate talk.ogg --to de --adapter interpreter
"""


def add_parser(subparsers: Any) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "adapt",
        help="teach a model to interpret",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    cards = ", ".join(name for name, card in TRANSLATORS.items() if not card.file)
    add("--model", default="embedded", metavar="NAME",
        help=f"embedded, embedded-large, {cards}, a folder, a hub id")  # fmt: skip
    add("--pair", nargs="+", required=True, metavar="PAIR", help="directions, such as en-de en-it")
    add("--data", nargs="+", required=True, metavar="FILES",
        help="parallel text: 'name.{}.txt', a file a language, {} its code, line by line "
        "translations; or 'name.{}.tsv', a file a pair, source tab target")  # fmt: skip
    add("--licence", action="append", default=[], metavar="TEXT",
        help="terms of each --data, in their order, for the data sheet")  # fmt: skip
    add("--out", type=Path, action=WritesInto, required=True, metavar="FOLDER", help="the adapter")
    add("--test", metavar="FILES", help="other text, whose last sentences are held out")
    _add_numbers(parser)
    add("--links", type=Path, action=WritesInto, metavar="FOLDER",
        help="where word links are kept and taken from; default: the cache")  # fmt: skip
    parser.set_defaults(run=run)


def _add_numbers(parser: argparse.ArgumentParser) -> None:
    numbers: dict[str, tuple[type, float, str]] = {
        "held-out": (int, 60, "held-out sentences of each pair"),
        "most": (int, 0, "sentence pairs read of each data and pair; 0 for all"),
        "steps": (int, 1000, "batches"),
        "batch": (int, 8, "lessons in each"),
        "rank": (int, 16, "rank of the adapter"),
        "rate": (float, 5e-4, "largest learning rate"),
        "guided": (int, 4, "heads that are taught where to look; 0 for none"),
        "guide-weight": (float, 0.5, "weight of that beside the translation"),
        "score-every": (int, 200, "steps between measurements; 0 for before and after only"),
        "seed": (int, 0, "of every draw; the same gives the same adapter"),
    }
    for name, (kind, default, text) in numbers.items():
        parser.add_argument(
            f"--{name}", type=kind, default=default, metavar="N", help=f"{text} (%(default)s)"
        )


def run(args: argparse.Namespace) -> int:
    """Teach; Ctrl-C writes down where it stands."""
    with extra("adapt", "Teaching a model"):
        import peft  # noqa: F401 - so that nothing is read in vain
        import sacrebleu  # noqa: F401

        from alignatt4llm.adapt.corpus import Data
        from alignatt4llm.adapt.course import Wanted
        from alignatt4llm.adapt.run import adapt
        from alignatt4llm.adapt.settings import TeachingSettings
    if len(args.licence) > len(args.data):
        raise UsageError("There are more --licence than --data; give one for each.")
    unknown = ["not stated"] * (len(args.data) - len(args.licence))
    wanted = Wanted(
        tuple(map(Pair.parse, args.pair)),
        tuple(map(Data, args.data, [*args.licence, *unknown])),
        Data(args.test) if args.test else None,
        args.held_out,
        args.most,
        args.links,
    )
    settings = TeachingSettings(
        steps=args.steps,
        batch=args.batch,
        rank=args.rank,
        rate=args.rate,
        guided=args.guided,
        weight=args.guide_weight,
        seed=args.seed,
        score_every=args.score_every,
    )
    with Interrupt(lambda: None) as interrupt:
        done = adapt(args.model, wanted, settings, args.out, tell, lambda: interrupt.asked)
    if done is None:
        tell(f"stopped; the same command goes on from here ('{args.out}')")
        return 130
    print(f"{done.folder}: an adapter for {done.base}, {', '.join(done.pairs)}")
    return 0
