"""``alignatt listen``: the microphone, translated in the terminal."""

import argparse
from threading import Event
from typing import Any

from alignatt4llm.audio.microphone import inputs, microphone
from alignatt4llm.cli.play import add_channel, add_options, play
from alignatt4llm.cli.spoken import settled

EXAMPLES = """\
examples:
  alignatt listen --to de                  the microphone, until Ctrl-C
  alignatt listen --to zh --device USB --srt talk.srt
  alignatt listen --to de --device list    which microphones are there?

For what the computer plays, or a stream, use translate:
  parec --format=s16le --rate=16000 --channels=1 -d @DEFAULT_MONITOR@ | alignatt translate - --to de
  alignatt translate https://example.org/stream.mp3 --to it --realtime
"""


def add_parser(subparsers: Any) -> None:
    """Add the command's options."""
    parser = subparsers.add_parser(
        "listen",
        help="translate what the microphone hears",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", metavar="NAME", help="number or name; 'list' names them")
    add_channel(parser)
    add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Translate until Ctrl-C; the last words are still translated then."""
    if args.device == "list":
        print(inputs().replace(", ", "\n"))
        return 0
    stopped = Event()
    stream = settled(args, microphone(stopped, args.device, args.channel))
    play(
        stream.args,
        stream.source,
        None,
        realtime=True,
        stop=stopped.set,
        notices=lambda: stream.notices,
        began=stream.began,
    )
    return 0
