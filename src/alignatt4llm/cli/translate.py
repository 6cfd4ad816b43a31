"""``alignatt translate``: a recording, a URL or standard input, translated live."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from alignatt4llm.audio.decode import STANDARD_INPUT, AudioSource, chunks
from alignatt4llm.audio.pace import in_real_time
from alignatt4llm.cli import background
from alignatt4llm.cli.background import GlossaryReport
from alignatt4llm.cli.display import display
from alignatt4llm.cli.dry_run import describe
from alignatt4llm.cli.interrupt import Interrupt
from alignatt4llm.cli.system import System, add_options
from alignatt4llm.context import Context
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.events import Event
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.outputs import JsonLines, Output, Subtitles
from alignatt4llm.recognizers.base import Samples
from alignatt4llm.schedule import PIECE, REGIMES, LiveTimeline, Regime
from alignatt4llm.schedule import run as run_schedule
from alignatt4llm.session import Session
from alignatt4llm.transcript import SAMPLE_RATE

EXAMPLES = """\
examples:
  alignatt translate talk.mp4 --to de                      watch it being translated
  alignatt translate talk.mp4 --to zh --fast --srt talk.srt
  alignatt translate --to de --preset paper-low --dry-run  what would run, and the prompt
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
        "input", nargs="?", help="file or URL, or - for raw 16 kHz s16le on standard input"
    )
    add_options(parser)
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--realtime", action="store_true", help="as it plays (default in a terminal)")
    pace.add_argument("--fast", action="store_true", help="as fast as it goes")
    parser.add_argument(
        "--schedule", choices=REGIMES, default="alternating",
        help="recogniser and translator in turn, or beside each other (in real time)",
    )  # fmt: skip
    parser.add_argument("--jsonl", type=Path, metavar="FILE", help="write every event")
    parser.add_argument("--srt", type=Path, metavar="FILE", help="write subtitles")
    parser.add_argument("--vtt", type=Path, metavar="FILE", help="write web subtitles")
    parser.add_argument("--trace", action="store_true", help="say why each token is said or held")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the whole configuration and stop"
    )
    background.add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Translate; whatever was committed is in every output when this returns."""
    system = System.from_options(args)
    about = background.context(args)
    if args.dry_run:
        print(describe(system, about.block(()) if about else "", args.schedule))
        return 0
    if args.input is None:
        raise UsageError("Say what to translate: a file, a URL, or - for standard input.")
    if args.fast and args.schedule != "alternating":
        raise UsageError(f"The {args.schedule} schedule follows real time; leave --fast out.")
    heads = system.heads()
    source = AudioSource(args.input)
    live = args.schedule != "alternating"
    realtime = args.realtime or live or (sys.stdout.isatty() and not args.fast)
    with ExitStack() as stack:
        outputs = [stack.enter_context(closing(output)) for output in _files(args)]
        if about and about.glossary:
            outputs.append(stack.enter_context(closing(GlossaryReport(about.glossary))))
        session = _session(system, heads, about)
        outputs.append(stack.enter_context(closing(display(args.trace, source.duration))))
        chunk = system.preset.latency.chunk
        heard = chunks(source, round((PIECE if live else chunk) * SAMPLE_RATE))
        heard = in_real_time(heard) if realtime else heard
        if live:
            code = _schedule(session, heard, outputs, REGIMES[args.schedule], chunk)
        else:
            code = _play(session, heard, outputs)
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


def _session(system: System, heads: HeadSet, context: Context | None) -> Session:
    from alignatt4llm.interpreter import Interpreter

    def tell(message: str) -> None:
        print(message, file=sys.stderr)

    interpreter = Interpreter(
        system.preset.model,
        system.preset.recognizer,
        tell,
        aligner=system.aligner,
        audio_heads=system.audio_heads,
        finality=system.finality,
        recognizer_engine=system.recognizer_engine,
    )
    return interpreter.open(
        system.pair,
        system.preset.latency,
        heads=heads,
        prompt=system.prompt,
        context=context,
        policy=system.policy(heads),
    )


def _play(session: Session, heard: Iterable[Samples], outputs: list[Output]) -> int:
    """Feed the session to the end; after Ctrl-C what was committed stands in every output."""
    with Interrupt() as interrupt:
        for chunk in interrupt.until_asked(heard):
            _write(session.feed(chunk), outputs)
        _write([session.end()] if interrupt.asked else session.finish(), outputs)
    return 130 if interrupt.asked else 0


def _schedule(
    session: Session, heard: Iterable[Samples], outputs: list[Output], regime: Regime, chunk: float
) -> int:
    """Run recogniser and translator in threads; Ctrl-C leaves every output whole."""
    with Interrupt() as interrupt, LiveTimeline(heard) as timeline:
        _write(run_schedule(session, timeline, regime, chunk, lambda: interrupt.asked), outputs)
        if interrupt.asked:
            _write([session.end()], outputs)
    return 130 if interrupt.asked else 0


def _write(events: Iterable[Event], outputs: list[Output]) -> None:
    for event in events:
        for output in outputs:
            output.write(event)
