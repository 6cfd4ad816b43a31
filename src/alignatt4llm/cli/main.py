"""The command ``alignatt``."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from alignatt4llm.cli.files import check_files
from alignatt4llm.errors import AlignattError
from alignatt4llm.machine.threads import prepare_environment
from alignatt4llm.text.printable import printable

COMMANDS = (
    "demo",
    "translate",
    "listen",
    "subtitle",
    "serve",
    "serve_engine",
    "cluster",
    "check",
    "resend",
    "evaluate",
    "heads",
    "adapt",
    "bench",
    "models",
    "languages",
    "doctor",
    "completion",
)
"""Each is a module here, with ``add_parser(subparsers)`` and ``run(args) -> int``."""

EXAMPLES = """\
examples:
  alignatt demo                          a short recording, translated as if it were live
  alignatt doctor                        is everything there to translate?
  alignatt models fetch embedded         prepare the models that come with the package
  alignatt translate talk.ogg --to de    translate a recording as if it were live
  alignatt listen --to de                translate what the microphone hears
  alignatt serve                         translate in a browser: http://localhost:8765
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    prepare_environment()
    args = parser().parse_args(argv)
    try:
        check_files(args)
        code: int = args.run(args)
        sys.stdout.flush()
    except AlignattError as error:
        print(f"alignatt: error: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes stdout once more at exit; there is nobody left to read it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = argparse.ArgumentParser(
        prog="alignatt",
        description="Live speech translation whose language model decides when to speak.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument(
        "--version", action="version", version=f"alignatt4llm {version('alignatt4llm')}"
    )
    subparsers = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        import_module(f"alignatt4llm.cli.{command}").add_parser(subparsers)
    return whole


if __name__ == "__main__":
    sys.exit(main())
