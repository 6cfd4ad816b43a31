"""``alignatt translate``: a recording, a URL or standard input, translated live."""

import argparse
import sys
from typing import Any

from alignatt4llm.audio.decode import STANDARD_INPUT, AudioSource
from alignatt4llm.cli.dry_run import describe
from alignatt4llm.cli.files import Named
from alignatt4llm.cli.play import IN_TURN, add_channel, add_options, play
from alignatt4llm.cli.system import Choice, Input
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.text.languages import language

EXAMPLES = """\
examples:
  alignatt translate talk.mp4 --to de                      watch it being translated
  alignatt translate talk.mp4 --to zh --fast --srt talk.srt
  alignatt translate talk.mp4 --to de it zh --srt talk.srt   writes talk.de.srt, talk.it.srt, ...
  alignatt translate --to de --preset paper-low --dry-run  what would run, and the prompt
  alignatt translate film.mkv --to de --track 2            its second sound track
  arecord -f S16_LE -r 16000 -c 1 | alignatt translate - --to it
"""


def add_parser(subparsers: Any) -> None:
    """Add the command's options."""
    parser = subparsers.add_parser(
        "translate",
        help="translate speech while it plays",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "input",
        nargs="?",
        type=Named,
        action=Input,
        help="file or URL, or - for standard input: media, or raw 16 kHz s16le",
    )
    parser.add_argument(
        "--track", type=int, metavar="N", help="which of several sound tracks, from 1"
    )
    add_channel(parser)
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--realtime", action="store_true", help="as it plays (default in a terminal)")
    pace.add_argument("--fast", action="store_true", help="as fast as it goes")
    add_options(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="print the whole configuration and stop"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Translate; whatever was committed is in every output when this returns."""
    if args.dry_run:
        print(describe(Choice.of(args), args.schedule))
        return 0
    if args.input is None:
        raise UsageError("Say what to translate: a file, a URL, or - for standard input.")
    if args.fast and args.schedule != IN_TURN:
        raise UsageError(f"The {args.schedule} schedule follows real time; leave --fast out.")
    source = AudioSource(
        args.input, language=language(args.source), track=args.track, channel=args.channel
    )
    realtime = args.realtime or (sys.stdout.isatty() and not args.fast)
    stream, interrupted = play(
        args, source, source.duration, realtime, notices=lambda: source.notices
    )
    if not stream.samples and not interrupted:
        name = "Standard input" if args.input == STANDARD_INPUT else f"'{args.input}'"
        raise AlignattError(f"{name} holds no audio.")
    return 130 if interrupted else 0
