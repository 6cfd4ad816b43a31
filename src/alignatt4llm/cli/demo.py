"""``alignatt demo``: the recording that comes with the package, translated as if it were live."""

import argparse
from importlib import resources
from typing import Any

from alignatt4llm.cli import translate
from alignatt4llm.cli.report import tell

SAMPLE = str(resources.files("alignatt4llm.cli") / "sample" / "fleurs-en-000.ogg")
NEXT = """
Next: alignatt translate FILE --to de    a recording of your own
      alignatt serve                     captions in a browser\
"""


def add_parser(subparsers: Any) -> None:
    """Add the command's option."""
    parser = subparsers.add_parser(
        "demo",
        help="translate a short recording that comes with the package",
        description="Translate a short English recording that comes with the package, as if it "
        "were live.",
    )
    parser.add_argument("--to", default="de", metavar="LANG", help="target language (%(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Translate it as the command translate does, and say what comes next."""
    commands = argparse.ArgumentParser()
    translate.add_parser(commands.add_subparsers())
    asked = commands.parse_args(["translate", SAMPLE, "--realtime", "--to", args.to])
    code = translate.run(asked)
    tell(NEXT)
    return code
