"""``alignatt translate``: a recording, a URL or standard input, translated live."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from alignatt4llm.audio.decode import STANDARD_INPUT, AudioSource, chunks
from alignatt4llm.audio.pace import in_real_time
from alignatt4llm.cli.display import display
from alignatt4llm.cli.engine import add_engine
from alignatt4llm.cli.interrupt import Interrupt
from alignatt4llm.errors import AlignattError
from alignatt4llm.events import Event
from alignatt4llm.heads.headset import head_set_for, load_head_set
from alignatt4llm.languages import Pair, language
from alignatt4llm.latency import LATENCIES
from alignatt4llm.outputs import JsonLines, Output, Subtitles
from alignatt4llm.recognizers.base import Samples
from alignatt4llm.session import Session
from alignatt4llm.transcript import SAMPLE_RATE

EXAMPLES = """\
examples:
  alignatt translate talk.mp4 --to de                      watch it being translated
  alignatt translate talk.mp4 --to zh --fast --srt talk.srt
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
    parser.add_argument("input", help="file or URL, or - for raw 16 kHz s16le on standard input")
    parser.add_argument("--to", required=True, metavar="LANG", help="target language: de, it, zh")
    parser.add_argument("--from", dest="source", default="en", metavar="LANG")
    parser.add_argument("--latency", choices=LATENCIES, default="medium")
    parser.add_argument("--model", default="embedded", help="embedded, a folder or a hub id")
    add_engine(parser)
    parser.add_argument("--recognizer", default="embedded", help="embedded or a Whisper folder")
    parser.add_argument("--heads", type=Path, metavar="FILE", help="head set, if none is shipped")
    parser.add_argument("--prompt", choices=("auto", "chat", "few-shot"), default="auto")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--realtime", action="store_true", help="as it plays (default in a terminal)")
    pace.add_argument("--fast", action="store_true", help="as fast as it goes")
    parser.add_argument("--jsonl", type=Path, metavar="FILE", help="write every event")
    parser.add_argument("--srt", type=Path, metavar="FILE", help="write subtitles")
    parser.add_argument("--vtt", type=Path, metavar="FILE", help="write web subtitles")
    parser.add_argument("--trace", action="store_true", help="say why each token is said or held")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Translate; whatever was committed is in every output when this returns."""
    pair = Pair(language(args.source), language(args.to))
    heads = load_head_set(args.heads) if args.heads else head_set_for(args.model, str(pair))
    source = AudioSource(args.input)
    realtime = args.realtime or (sys.stdout.isatty() and not args.fast)
    with ExitStack() as stack:
        outputs = [stack.enter_context(closing(output)) for output in _files(args)]
        session = _session(args, pair, heads)
        outputs.append(stack.enter_context(closing(display(args.trace, source.duration))))
        heard = chunks(source, round(LATENCIES[args.latency].chunk * SAMPLE_RATE))
        code = _play(session, in_real_time(heard) if realtime else heard, outputs)
    if not session.transcript.samples and not code:
        name = "Standard input" if args.input == STANDARD_INPUT else f"'{args.input}'"
        raise AlignattError(f"{name} holds no audio.")
    if source.problem:
        print(f"alignatt: warning: {source.problem}", file=sys.stderr)
    return code


def _files(args: argparse.Namespace) -> Iterator[Output]:
    if args.jsonl:
        yield JsonLines(args.jsonl, args.trace)
    if args.srt:
        yield Subtitles(args.srt, vtt=False)
    if args.vtt:
        yield Subtitles(args.vtt, vtt=True)


def _session(args: argparse.Namespace, pair: Pair, heads: Any) -> Session:
    from alignatt4llm.interpreter import Interpreter

    def tell(message: str) -> None:
        print(message, file=sys.stderr)

    interpreter = Interpreter(args.model, args.recognizer, tell, engine=args.engine, heads=heads)
    return interpreter.open(pair, args.latency, heads=heads, prompt=args.prompt)


def _play(session: Session, heard: Iterable[Samples], outputs: list[Output]) -> int:
    """Feed the session to the end; after Ctrl-C what was committed stands in every output."""
    with Interrupt() as interrupt:
        for chunk in interrupt.until_asked(heard):
            _write(session.feed(chunk), outputs)
        _write([session.end()] if interrupt.asked else session.finish(), outputs)
    return 130 if interrupt.asked else 0


def _write(events: Iterable[Event], outputs: list[Output]) -> None:
    for event in events:
        for output in outputs:
            output.write(event)
