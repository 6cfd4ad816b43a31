"""``alignatt translate``: a recording, a URL or standard input, translated live."""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alignatt4llm.audio.decode import AudioSource, chunks
from alignatt4llm.errors import AlignattError
from alignatt4llm.events import Event
from alignatt4llm.heads.headset import head_set_for, load_head_set
from alignatt4llm.languages import Pair, language
from alignatt4llm.latency import LATENCIES
from alignatt4llm.outputs import JsonLines, Output, Subtitles
from alignatt4llm.policy.alignatt import AlignAtt
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
    outputs = _outputs(args)
    try:
        session = _session(args, pair, heads)
        realtime = args.realtime or (sys.stdout.isatty() and not args.fast)
        return _play(args, session, source, outputs, realtime)
    finally:
        for output in outputs:
            output.close()


def _outputs(args: argparse.Namespace) -> list[Output]:
    from alignatt4llm.cli.display import display

    outputs: list[Output] = [display(args.trace)]
    if args.jsonl:
        outputs.append(JsonLines(args.jsonl, args.trace))
    if args.srt:
        outputs.append(Subtitles(args.srt, vtt=False))
    if args.vtt:
        outputs.append(Subtitles(args.vtt, vtt=True))
    return outputs


def _session(args: argparse.Namespace, pair: Pair, heads: Any) -> Session:
    from alignatt4llm.models import resolve_llm, resolve_recognizer
    from alignatt4llm.threads import best_threads

    def tell(message: str) -> None:
        print(message, file=sys.stderr)

    weights = resolve_llm(args.model, tell)
    whisper = resolve_recognizer(args.recognizer, tell)
    try:
        from alignatt4llm.recognizers.whisper import WhisperEngine
        from alignatt4llm.translators.transformers import TransformersTranslator
    except ImportError as problem:
        raise AlignattError(
            f"{problem.name} is not installed; pip install 'alignatt4llm[embedded]'."
        ) from problem
    threads = best_threads()
    latency = LATENCIES[args.latency]
    translator = TransformersTranslator(
        weights.location, revision=weights.revision, threads=threads
    )
    return Session(
        WhisperEngine(whisper, threads).open(pair.source),
        translator.open(pair, heads),
        AlignAtt(heads, latency.policy),
        translator.prompt_form(pair, args.prompt),
        pair,
        latency.session,
    )


def _play(
    args: argparse.Namespace,
    session: Session,
    source: AudioSource,
    outputs: list[Output],
    realtime: bool,
) -> int:
    size = round(LATENCIES[args.latency].chunk * SAMPLE_RATE)
    began, code, empty = time.monotonic(), 0, True
    try:
        for chunk in chunks(source, size):
            empty = False
            if realtime:
                due = began + session.transcript.clock + len(chunk) / SAMPLE_RATE
                time.sleep(max(0.0, due - time.monotonic()))
            _write(session.feed(chunk), outputs)
        _write(session.finish(), outputs)
    except KeyboardInterrupt:
        code = 130
        _write(iter([session.end()]), outputs)
    if empty and not code:
        raise AlignattError(f"'{args.input}' holds no audio.")
    if source.problem:
        print(f"alignatt: warning: {source.problem}", file=sys.stderr)
    return code


def _write(events: Iterator[Event], outputs: list[Output]) -> None:
    for event in events:
        for output in outputs:
            output.write(event)
