"""What a person sees while a session runs."""

import sys

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from alignatt4llm.events import Close, Commit, End, Event, Notice, Preview, Source, Trace
from alignatt4llm.outputs.base import Output
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.printable import one_line, printable


def display(trace: bool, duration: float | None, pair: Pair) -> Output:
    """Return a live display in a terminal, plain text elsewhere.

    Parameters
    ----------
    trace
        Whether to print the policy's decisions.
    duration
        Seconds of audio expected, if known.
    pair
        Direction.
    """
    console = Console()
    if console.is_terminal and not trace:
        return LiveDisplay(console, pair)
    return Plain(trace, duration)


class Plain:
    """Committed text on standard output as it comes; progress on standard error."""

    def __init__(self, trace: bool, duration: float | None) -> None:
        self._trace = trace
        self._progress = Progress(
            TextColumn("{task.completed:.0f} s of audio"),
            BarColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty() or sys.stdout.isatty(),
        )
        self._task = self._progress.add_task("", total=duration)
        self._progress.start()

    def write(self, event: Event) -> None:
        """Print commits and notices, and traces on request."""
        if isinstance(event, Source):
            self._progress.update(self._task, completed=event.audio_s)
        elif isinstance(event, Commit) and not self._trace:
            print(printable(event.text), end="", flush=True)
        elif isinstance(event, Commit):
            print(f"{event.audio_s:7.2f} s  {printable(event.text).strip()}", flush=True)
        elif isinstance(event, Trace) and self._trace:
            print(_table(event), end="")
        elif isinstance(event, Notice):
            self._progress.console.print(_notice(event), soft_wrap=True)
        elif isinstance(event, End):
            print(flush=True)
            self._progress.stop()
            print(_account(event), file=sys.stderr)

    def close(self) -> None:
        """Stop the progress bar if an error has left it running."""
        self._progress.stop()


class LiveDisplay:
    """Source line above, committed text plain, preview dimmed, lag and speed below.

    Closed utterances scroll away above; only the open one is redrawn.
    """

    def __init__(self, console: Console, pair: Pair) -> None:
        self._console = console
        self._pair = pair
        self._live = Live(console=console, refresh_per_second=8, vertical_overflow="crop")
        self._live.start()
        self._source = Text()
        self._said = self._preview = ""
        self._status = "listening"

    def write(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Source):
            joint = self._pair.source.separator
            committed, tail = (
                printable(joint.join(word.text for word in words))
                for words in (event.committed, event.tail)
            )
            self._source = Text(committed, "cyan").append(joint + tail, "dim cyan")
        elif isinstance(event, Commit):
            self._said += event.text
            self._preview = ""
            lag, rtf = event.wall_s - event.audio_s, event.wall_s / max(event.audio_s, 1e-9)
            self._status = (
                f"{event.audio_s:.1f} s heard, {max(0.0, lag):.1f} s behind, "
                f"real-time factor {rtf:.2f}"
            )
        elif isinstance(event, Preview):
            self._preview = event.text
        elif isinstance(event, Close):
            self._leave(event)
        elif isinstance(event, Notice):
            self._console.print(_notice(event), soft_wrap=True)
        elif isinstance(event, End):
            self._preview = ""
            self._status = _account(event)
        self._live.update(self.picture())

    def close(self) -> None:
        """Leave the last picture standing."""
        self._live.stop()

    def picture(self) -> Group:
        """Return what stands at the bottom of the terminal now."""
        said = Text(printable(self._said).lstrip())
        said.append(self._pair.target.separator + printable(self._preview), "dim")
        return Group(self._source, said, Text(self._status, "dim green"))

    def _leave(self, close: Close) -> None:
        """Print a closed utterance for good; its text may have run ahead of it."""
        self._said = self._said.lstrip()[len(close.target) :]
        self._source, self._preview = Text(), ""
        self._live.update(self.picture())
        source, target = printable(close.source), printable(close.target)
        self._console.print(Group(Text(source, "dim cyan"), Text(target + "\n")))


def _notice(notice: Notice) -> Text:
    return Text(f"alignatt: notice: {one_line(notice.text)}", "yellow")


def _account(end: End) -> str:
    return (
        f"{end.audio_s:.1f} s of audio in {end.wall_s:.1f} s "
        f"(real-time factor {end.rtf:.2f}), {end.peak_memory_mb:.0f} MB at most"
    )


def _table(trace: Trace) -> str:
    return "".join(
        f"           {token.text!r:18} <- {printable(token.word):16} "
        f"accessible {token.accessible:.2f} inaccessible {token.inaccessible:.2f}"
        f"  {token.hold or 'accepted'}\n"
        for token in trace.tokens
    )
