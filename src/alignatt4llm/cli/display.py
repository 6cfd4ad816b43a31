"""What a person sees while a session runs."""

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from alignatt4llm.events import Close, Commit, End, Event, Notice, Preview, Source, Trace
from alignatt4llm.outputs.base import Output
from alignatt4llm.outputs.lines import Lines
from alignatt4llm.outputs.utterances import Utterances
from alignatt4llm.text.languages import Language, Pair
from alignatt4llm.text.printable import one_line, printable


def display(trace: bool, duration: float | None, pairs: Sequence[Pair]) -> Output:
    """Return a live display in a terminal, plain text elsewhere.

    Parameters
    ----------
    trace
        Whether to print the policy's decisions.
    duration
        Seconds of audio expected, if known.
    pairs
        Directions, all from one source.
    """
    console = Console()
    if console.is_terminal and not trace:
        return LiveDisplay(console, pairs)
    return Plain(trace, duration, len(pairs) > 1)


class Plain:
    """Committed text on standard output as it comes; progress on standard error.

    Of several languages, each utterance is a line that begins with its language.
    """

    def __init__(self, trace: bool, duration: float | None, several: bool = False) -> None:
        self._trace, self._several = trace, several
        self._open: defaultdict[str, Utterances] = defaultdict(Utterances)
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
        """Print what is said and notices, and traces on request."""
        if isinstance(event, Source):
            self._progress.update(self._task, completed=event.audio_s)
        elif isinstance(event, Notice):
            self._progress.console.print(_notice(event), soft_wrap=True)
        elif isinstance(event, Commit) and self._trace:
            text = printable(event.text).strip()
            print(f"{event.audio_s:7.2f} s  {self._label(event.to)}{text}", flush=True)
        elif isinstance(event, Trace) and self._trace:
            print(_table(event), end="")
        elif isinstance(event, Commit) and not self._several:
            print(printable(event.text), end="", flush=True)
        elif isinstance(event, Commit | Close) and self._several and not self._trace:
            self._collect(event)
        elif isinstance(event, End):
            self._end(event)

    def close(self) -> None:
        """Stop the progress bar if an error has left it running."""
        self._progress.stop()

    def _label(self, to: str) -> str:
        return f"{to}  " if self._several else ""

    def _collect(self, event: Commit | Close) -> None:
        """Print a line when its utterance closes."""
        said = self._open[event.to]
        if isinstance(event, Commit):
            said.say(event)
        elif text := said.close(event):
            print(f"{self._label(event.to)}{one_line(text)}", flush=True)

    def _end(self, end: End) -> None:
        rest = one_line(self._open[end.to].text)
        if not self._several:
            print(flush=True)
        elif rest:
            print(f"{self._label(end.to)}{rest}", flush=True)
        self._progress.stop()
        print(f"{self._label(end.to)}{_account(end)}", file=sys.stderr)


_HANGING = 2
"""Columns that are left for a sign that closes, which may stand beyond the end of a full line."""


class _Pane:
    """Lines of one language that roll up; only the last is redrawn, with the preview dimmed."""

    def __init__(self, target: Language, label: str) -> None:
        self._between, self._label = target.separator, label
        self._lines = Lines(1, target, cell_len)
        self._open = self._preview = ""
        self._status = "listening"
        self._closed: list[str] = []

    def take(self, event: Commit | Preview | Close | End, columns: int) -> Iterator[Text]:
        """Take an event of its language; yield what will not change any more."""
        if isinstance(event, Commit):
            yield from self._say(event, columns)
        elif isinstance(event, Preview):
            self._preview = event.text
        elif isinstance(event, Close):
            yield from self._leave(event)
        else:
            self._preview, self._status = "", _account(event)

    def picture(self) -> Text:
        """Return the last line, and what may follow."""
        last = self._labelled(self._lines.last)
        return last.append(self._between + printable(self._preview), "not bold dim")

    def account(self) -> Text:
        """Return how far it is."""
        return Text(self._label + self._status, "dim green")

    def heard(self) -> Iterator[Text]:
        """Yield the source of what has been said, once a paragraph."""
        if self._closed and not self._open.strip():
            yield Text(printable(" ".join(self._closed)) + "\n", "dim cyan")
            self._closed = []

    def _say(self, commit: Commit, columns: int) -> Iterator[Text]:
        self._open += commit.text
        self._preview = ""
        self._lines.room = max(1, columns - _HANGING - cell_len(self._label))
        yield from map(self._labelled, self._lines.add(printable(commit.text)))
        lag, rtf = commit.wall_s - commit.audio_s, commit.wall_s / max(commit.audio_s, 1e-9)
        self._status = (
            f"{commit.audio_s:.1f} s heard, {max(0.0, lag):.1f} s behind, "
            f"real-time factor {rtf:.2f}"
        )

    def _leave(self, close: Close) -> Iterator[Text]:
        """End the last line with its utterance, unless text has run ahead of it."""
        self._open, self._preview = self._open.lstrip()[len(close.target) :], ""
        self._closed.append(close.source)
        if not self._open.strip() and self._lines.last:
            yield self._labelled(self._lines.end())

    def _labelled(self, line: str) -> Text:
        return Text(self._label, "bold").append(line, "not bold")


class LiveDisplay:
    """Lines that roll up, source and speed below.

    Lines that are full scroll away above and stay as they are; only what stands below them is
    redrawn. Where an utterance ends and nothing has run ahead of it, its source follows them. Lines
    of several languages begin with its code; the first tells the source.
    """

    def __init__(self, console: Console, pairs: Sequence[Pair]) -> None:
        self._console = console
        self._joint = pairs[0].source.separator
        several = len(pairs) > 1
        self._panes = {
            pair.target.code: _Pane(pair.target, f"{pair.target.code}  " if several else "")
            for pair in pairs
        }
        self._first = next(iter(self._panes.values()))
        self._live = Live(console=console, refresh_per_second=8, vertical_overflow="crop")
        self._live.start()
        self._source = Text()

    def write(self, event: Event) -> None:
        """Show an event."""
        done: list[Text] = []
        if isinstance(event, Source):
            self._hear(event)
        elif isinstance(event, Notice):
            done.append(_notice(event))
        elif isinstance(event, Commit | Preview | Close | End):
            pane = self._panes.get(event.to, self._first)
            done += pane.take(event, self._console.width)
            if pane is self._first and isinstance(event, Close):
                self._source = Text()
                done += pane.heard()
        self._live.update(self.picture())
        for line in done:
            self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """Leave the last picture standing."""
        self._live.stop()

    def picture(self) -> Group:
        """Return what stands at the bottom of the terminal now."""
        panes = self._panes.values()
        said = (pane.picture() for pane in panes)
        return Group(*said, self._source, *(pane.account() for pane in panes))

    def _hear(self, source: Source) -> None:
        committed, tail = (
            printable(self._joint.join(word.text for word in words))
            for words in (source.committed, source.tail)
        )
        self._source = Text(committed, "cyan").append(self._joint + tail, "dim cyan")


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
