"""``alignatt check``: which rules subtitles break, whoever made them."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alignatt4llm.cli.files import Named, Writes
from alignatt4llm.cli.subtitles import RULES_HELP
from alignatt4llm.files.writing import write_whole
from alignatt4llm.outputs.check import Violation, violations, within
from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.rules import Rules, language_of, rules_for
from alignatt4llm.outputs.tracks import read_track
from alignatt4llm.text.languages import language
from alignatt4llm.text.printable import one_line

EXAMPLES = """\
examples:
  alignatt check talk.srt --rules netflix-de
  alignatt check film.ttml talk.vtt --rules bbc --language en
  alignatt check talk.srt --rules ours.json --json report.json

The exit code is 1 when a rule is broken.
"""


def add_parser(subparsers: Any) -> None:
    """Describe the command."""
    parser = subparsers.add_parser(
        "check",
        help="check subtitles against rules of readability",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="subtitles")
    parser.add_argument(
        "--rules", type=Named, default=Named("netflix"), metavar="RULES", help=RULES_HELP
    )
    parser.add_argument(
        "--language",
        default="en",
        metavar="LANG",
        help="of the subtitles, where the rules do not say it (default: %(default)s)",
    )
    parser.add_argument(
        "--json",
        type=Path,
        action=Writes,
        nargs="?",
        const=Path("/dev/stdout"),
        metavar="FILE",
        help="write what was found as JSON; without a name, print it",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check the files; the exit code tells whether a rule is broken."""
    rules = rules_for(args.rules, language_of(args.rules) or language(args.language))
    printed = args.json == Path("/dev/stdout")
    reports = []
    for path in args.files:
        track = read_track(path)
        broken = violations(track.cues, rules, track.resolution)
        reports.append(_report(path, track.cues, broken, args.rules, rules))
        if not printed:
            print("\n".join(_lines(path, track.cues, broken)))
    if args.json:
        write_whole(args.json, json.dumps(reports, indent=1, ensure_ascii=False) + "\n")
    return int(any(report["violations"] for report in reports))


def _report(
    path: Path, cues: tuple[Cue, ...], broken: list[Violation], name: str, rules: Rules
) -> dict[str, Any]:
    return {
        "file": str(path),
        "rules": {"name": str(name), **asdict(rules)},
        "cues": len(cues),
        "within": round(within(cues, broken), 4),
        "violations": [
            {**asdict(one), "start": one.start / 1000, "end": one.end / 1000, "message": str(one)}
            for one in broken
        ],
    }


def _lines(path: Path, cues: tuple[Cue, ...], broken: list[Violation]) -> Iterator[str]:
    for one in broken:
        yield f"{path}:{one.cue}: {_clock(one.start)}: {one}: {one_line(one.text)}"
    yield (
        f"{path}: {len(cues)} cues, {within(cues, broken):.1%} within the rules, "
        f"{len(broken)} violations"
    )


def _clock(ms: int) -> str:
    return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
