"""What a person sees while a session runs."""

import sys
from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from alignatt4llm.events import Close, Commit, End, Event, Notice, Preview, Source, Trace
from alignatt4llm.outputs.base import Output
from alignatt4llm.outputs.utterances import Utterances
from alignatt4llm.text.languages import Pair
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


class _Pane:
    """What stands at the bottom of the terminal of one language."""

    def __init__(self, separator: str, label: str) -> None:
        self._between, self.label = separator, label
        self.said = self.preview = self.status = ""

    def take(self, event: Commit | Preview | Close | End) -> None:
        """Take an event of its language."""
        if isinstance(event, Commit):
            self.said += event.text
            self.preview = ""
            lag, rtf = event.wall_s - event.audio_s, event.wall_s / max(event.audio_s, 1e-9)
            self.status = (
                f"{event.audio_s:.1f} s heard, {max(0.0, lag):.1f} s behind, "
                f"real-time factor {rtf:.2f}"
            )
        elif isinstance(event, Preview):
            self.preview = event.text
        elif isinstance(event, Close):
            self.said, self.preview = self.said.lstrip()[len(event.target) :], ""
        else:
            self.preview, self.status = "", _account(event)

    def picture(self) -> Text:
        """Return its line."""
        said = Text(self.label, "bold").append(printable(self.said).lstrip(), "not bold")
        return said.append(self._between + printable(self.preview), "not bold dim")

    def account(self) -> Text:
        """Return how far it is."""
        return Text(self.label + (self.status or "listening"), "dim green")


class LiveDisplay:
    """Source line above, committed text plain, preview dimmed, lag and speed below.

    Closed utterances scroll away above; only the open one is redrawn. Several languages have a line
    each, which begins with its code.
    """

    def __init__(self, console: Console, pairs: Sequence[Pair]) -> None:
        self._console = console
        self._joint = pairs[0].source.separator
        self._first = pairs[0].target.code
        self._panes = {
            pair.target.code: _Pane(
                pair.target.separator, f"{pair.target.code}  " if len(pairs) > 1 else ""
            )
            for pair in pairs
        }
        self._live = Live(console=console, refresh_per_second=8, vertical_overflow="crop")
        self._live.start()
        self._source = Text()

    def write(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Source):
            committed, tail = (
                printable(self._joint.join(word.text for word in words))
                for words in (event.committed, event.tail)
            )
            self._source = Text(committed, "cyan").append(self._joint + tail, "dim cyan")
        elif isinstance(event, Notice):
            self._console.print(_notice(event), soft_wrap=True)
        elif isinstance(event, Commit | Preview | Close | End):
            self._panes[event.to].take(event)
            if isinstance(event, Close):
                self._leave(event)
        self._live.update(self.picture())

    def close(self) -> None:
        """Leave the last picture standing."""
        self._live.stop()

    def picture(self) -> Group:
        """Return what stands at the bottom of the terminal now."""
        panes = self._panes.values()
        lines = (pane.picture() for pane in panes), (pane.account() for pane in panes)
        return Group(self._source, *lines[0], *lines[1])

    def _leave(self, close: Close) -> None:
        """Print a closed utterance for good; its text may have run ahead of it."""
        source, target = printable(close.source), printable(close.target)
        label = Text(self._panes[close.to].label, "bold").append(target + "\n", "not bold")
        if close.to != self._first:
            self._console.print(label)
            return
        self._source = Text()
        self._live.update(self.picture())
        self._console.print(Group(Text(source, "dim cyan"), label))


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
