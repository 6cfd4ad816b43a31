"""What a person sees while a session runs."""

import sys
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from alignatt4llm.events import Close, Commit, End, Event, Notice, Preview, Source, Trace
from alignatt4llm.outputs.base import Output
from alignatt4llm.outputs.lines import Lines
from alignatt4llm.text.languages import Language, Pair
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


_HANGING = 2
"""Columns that are left for a sign that closes, which may stand beyond the end of a full line."""


class _Pane:
    """Lines of one language that roll up; only the last is redrawn, with the preview dimmed."""

    def __init__(self, target: Language) -> None:
        self._between = target.separator
        self._lines = Lines(1, target, cell_len)
        self._open = self._preview = ""
        self._closed: list[str] = []

    def say(self, commit: Commit, columns: int) -> Iterator[Text]:
        """Take what is said; yield the lines that are full."""
        self._open += commit.text
        self._preview = ""
        self._lines.room = max(1, columns - _HANGING)
        yield from map(Text, self._lines.add(printable(commit.text)))

    def hold(self, text: str) -> None:
        """Show what is held."""
        self._preview = text

    def leave(self, close: Close) -> Iterator[Text]:
        """End an utterance; yield the last line and the source, unless text has run ahead of it."""
        self._open, self._preview = self._open.lstrip()[len(close.target) :], ""
        self._closed.append(close.source)
        if not self._open.strip():
            yield Text(self._lines.end())
            yield Text(printable(" ".join(self._closed)) + "\n", "dim cyan")
            self._closed = []

    def picture(self) -> Text:
        """Return the last line, and what may follow."""
        return Text(self._lines.last).append(self._between + printable(self._preview), "dim")


class LiveDisplay:
    """Lines that roll up, source and speed below.

    Lines that are full scroll away above and stay as they are; only what stands below them is
    redrawn. Where an utterance ends and nothing has run ahead of it, its source follows them.
    """

    def __init__(self, console: Console, pair: Pair) -> None:
        self._console = console
        self._joint = pair.source.separator
        self._pane = _Pane(pair.target)
        self._live = Live(console=console, refresh_per_second=8, vertical_overflow="crop")
        self._live.start()
        self._source = Text()
        self._status = "listening"

    def write(self, event: Event) -> None:
        """Show an event."""
        done: list[Text] = []
        if isinstance(event, Source):
            self._hear(event)
        elif isinstance(event, Commit):
            done += self._pane.say(event, self._console.width)
            self._status = _progress(event)
        elif isinstance(event, Preview):
            self._pane.hold(event.text)
        elif isinstance(event, Close):
            done += self._pane.leave(event)
            self._source = Text()
        elif isinstance(event, Notice):
            self._console.print(_notice(event), soft_wrap=True)
        elif isinstance(event, End):
            self._pane.hold("")
            self._status = _account(event)
        self._live.update(self.picture())
        for line in done:
            self._console.print(line)

    def close(self) -> None:
        """Leave the last picture standing."""
        self._live.stop()

    def picture(self) -> Group:
        """Return what stands at the bottom of the terminal now."""
        return Group(self._pane.picture(), self._source, Text(self._status, "dim green"))

    def _hear(self, source: Source) -> None:
        committed, tail = (
            printable(self._joint.join(word.text for word in words))
            for words in (source.committed, source.tail)
        )
        self._source = Text(committed, "cyan").append(self._joint + tail, "dim cyan")


def _progress(commit: Commit) -> str:
    lag, rtf = commit.wall_s - commit.audio_s, commit.wall_s / max(commit.audio_s, 1e-9)
    return f"{commit.audio_s:.1f} s heard, {max(0.0, lag):.1f} s behind, real-time factor {rtf:.2f}"


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
