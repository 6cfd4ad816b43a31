"""From a source of audio to the outputs asked for: what translate and listen have in common."""

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from alignatt4llm.audio.decode import chunks
from alignatt4llm.audio.mix import CHANNELS
from alignatt4llm.audio.pace import in_real_time
from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.cli import sinks, subtitles, system
from alignatt4llm.cli.background import GlossaryReport
from alignatt4llm.cli.display import display
from alignatt4llm.cli.each import WritesEach, own
from alignatt4llm.cli.files import Writes
from alignatt4llm.cli.interrupt import Interrupt
from alignatt4llm.cli.report import tell
from alignatt4llm.cli.subtitles import suffix
from alignatt4llm.cli.system import Choice
from alignatt4llm.events import Notice
from alignatt4llm.outputs.base import Format, Output, OutputFile
from alignatt4llm.outputs.only import Alone
from alignatt4llm.outputs.sinks.base import Origin
from alignatt4llm.outputs.sinks.each import EachTarget
from alignatt4llm.outputs.sinks.output import CaptionSinks
from alignatt4llm.outputs.sinks.table import Destination
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.schedule.feeder import LONGEST, REGIMES, Feeder, run
from alignatt4llm.schedule.lanes import Lanes
from alignatt4llm.schedule.timelines import PIECE, LiveTimeline
from alignatt4llm.schedule.watch import Watch
from alignatt4llm.stream import Stream
from alignatt4llm.text.languages import Pair

IN_TURN = "alternating"
"""The schedule of recogniser and translator in turn; the others follow real time."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of both commands."""
    system.add_direction(parser)
    system.add_options(parser)
    parser.add_argument(
        "--schedule",
        choices=REGIMES,
        default=IN_TURN,
        help="recogniser and translator in turn, or beside each other (in real time)",
    )
    for name, kind in OUTPUTS.items():
        parser.add_argument(
            f"--{name}", dest=name, type=Path, metavar="FILE", help=kind.help,
            action=Writes if kind.for_all else WritesEach,
        )  # fmt: skip
    subtitles.add_options(parser)
    sinks.add_options(parser)
    parser.add_argument("--trace", action="store_true", help="say why each token is said or held")


def add_channel(parser: argparse.ArgumentParser) -> None:
    """Add the option that says what is heard of several channels."""
    parser.add_argument(
        "--channel",
        choices=CHANNELS,
        default=CHANNELS[0],
        help="one of the channels, or all of them (default)",
    )


def play(
    args: argparse.Namespace,
    source: Iterable[Samples],
    duration: float | None,
    realtime: bool,
    stop: Callable[[], None] | None = None,
    notices: Callable[[], Sequence[Notice]] = tuple,
    began: float | None = None,
) -> tuple[Stream, bool]:
    """Translate a source; all that was heard is in every output when this returns.

    Parameters
    ----------
    args
        The options of `add_options`.
    source
        Blocks of samples.
    duration
        Seconds expected, if known.
    realtime
        Whether to take audio only as it becomes due.
    stop
        Ends the source, for Ctrl-C; by default the source is left where it is.
    notices
        Returns what the source has had to say so far.
    began
        When the source began, as `time.monotonic` has it; when it is first asked by default.

    Returns
    -------
    Stream, bool
        The stream, and whether Ctrl-C ended it.
    """
    chosen, regime = Choice.of(args), REGIMES[args.schedule]
    into = [pair.target for pair in chosen.pairs]
    forms = [form for pair in chosen.pairs for form in _forms(args, pair, chosen.pairs)]
    destinations = sinks.destinations(args, into)
    about, chunk = chosen.system.context, chosen.latency.chunk
    live = realtime or regime.overlaps
    since: float  # known once all is ready, which takes long
    with ExitStack() as stack:
        stream = stack.enter_context(closing(chosen.open(tell, live)))
        captions = _captions(args, destinations, chosen.pairs, lambda: since)
        stack.enter_context(closing(captions))
        outputs: list[Output] = [captions]
        for path, form in forms:
            outputs.append(stack.enter_context(closing(OutputFile(path, form, args.trace))))
        if about and about.glossary:
            outputs.append(stack.enter_context(closing(GlossaryReport(about.glossary))))
        outputs.append(stack.enter_context(closing(display(args.trace, duration, chosen.pairs))))
        watch = Watch(chosen.source, lambda: [*notices(), *captions.notices])
        feeder = Feeder(stream, chunk, regime, LONGEST if live else chunk, watch=watch)
        since = time.time() - (time.monotonic() - began if began is not None else 0.0)
        timeline = _live(source, began, len(chosen.pairs)) if live else Lanes(source)
        with Interrupt(stop or timeline.stop) as interrupt, timeline:
            for event in run(feeder, timeline):
                for output in outputs:
                    output.write(event)
    return stream, interrupt.asked


def _captions(
    args: argparse.Namespace,
    destinations: Sequence[Destination],
    pairs: Sequence[Pair],
    since: Callable[[], float],
) -> EachTarget:
    """Return where captions go; ``since`` says, once there are some, when the source began."""
    session = sinks.new_session()

    def opened(to: str) -> CaptionSinks:
        [pair] = [pair for pair in pairs if pair.target.code == to]
        origin = Origin(session, pair, since())
        own = [each.of(origin) for each in destinations if each.takes(pair)]
        style = subtitles.style(args, pair)
        return CaptionSinks(own, style, origin, sinks.undelivered_folder(), tell)

    return EachTarget(opened)


def _live(source: Iterable[Samples], began: float | None, targets: int) -> LiveTimeline:
    return LiveTimeline(in_real_time(chunks(source, round(PIECE * SAMPLE_RATE)), began), targets)


def _forms(
    args: argparse.Namespace, pair: Pair, pairs: Sequence[Pair]
) -> list[tuple[Path, Format]]:
    """Return the files to be written of a target, none of them opened, and their formats."""
    style, into = subtitles.style(args, pair), tuple(each.target for each in pairs)
    asked = [(getattr(args, name), kind) for name, kind in OUTPUTS.items()]
    if args.subtitles:
        asked.append((args.subtitles, OUTPUTS[suffix(args.subtitles)]))
    forms: list[tuple[Path, Format]] = []
    for path, kind in asked:
        if path and not kind.for_all:
            forms.append((own(path, pair.target, into), Alone(kind.format(style))))
        elif path and pair is pairs[0]:
            forms.append((path, kind.format(style)))
    return forms
