"""What a person sees while a session runs."""

import sys

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from alignatt4llm.events import Commit, End, Event, Preview, Source, Trace
from alignatt4llm.outputs import Output


def display(trace: bool) -> Output:
    """Return a live display in a terminal, plain text elsewhere."""
    console = Console()
    return LiveDisplay(console, trace) if console.is_terminal and not trace else Plain(trace)


class Plain:
    """Committed text on standard output as it comes, and nothing that changes."""

    def __init__(self, trace: bool) -> None:
        self._trace = trace

    def write(self, event: Event) -> None:
        """Print commits, and traces on request."""
        if isinstance(event, Commit) and not self._trace:
            print(event.text, end="", flush=True)
        elif isinstance(event, Commit):
            print(f"{event.audio_s:7.2f}s  said: {event.text.strip()}", flush=True)
        elif isinstance(event, Trace) and self._trace:
            for token in event.tokens:
                print(
                    f"           {token.text!r:18} <- {token.word:16} "
                    f"accessible {token.accessible:.2f} inaccessible {token.inaccessible:.2f}"
                    f"  {token.hold or 'accepted'}"
                )
        elif isinstance(event, End):
            print(flush=True)
            print(
                f"{event.audio_s:.1f} s of audio in {event.wall_s:.1f} s "
                f"(real-time factor {event.rtf:.2f}), {event.peak_memory_mb:.0f} MB at most",
                file=sys.stderr,
            )

    def close(self) -> None:
        """Nothing is pending."""


class LiveDisplay:
    """Source line above, committed text plain, preview dimmed, lag and speed below."""

    def __init__(self, console: Console, trace: bool) -> None:
        self._live = Live(console=console, refresh_per_second=8)
        self._live.start()
        self._source = Text()
        self._said = self._preview = self._status = ""
        self._lag = 0.0

    def write(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Source):
            self._source = Text(" ".join(word.text for word in event.committed), "cyan")
            self._source.append(" " + " ".join(word.text for word in event.tail), "dim cyan")
            self._status = f"{event.audio_s:.1f} s"
        elif isinstance(event, Commit):
            self._said += event.text
            self._preview = ""
            self._status = (
                f"{event.audio_s:.1f} s heard, {max(0.0, event.wall_s - event.audio_s):.1f} s "
                f"behind, real-time factor {event.wall_s / max(event.audio_s, 1e-9):.2f}"
            )
        elif isinstance(event, Preview):
            self._preview = event.text
        elif isinstance(event, End):
            self._preview = ""
            self._status = f"{event.audio_s:.1f} s of audio, real-time factor {event.rtf:.2f}"
        self._live.update(self._picture())

    def close(self) -> None:
        """Leave the last picture standing."""
        self._live.stop()

    def _picture(self) -> Group:
        said = Text(self._said[-1500:])
        said.append(" " + self._preview, "dim")
        return Group(self._source, said, Text(self._status, "dim green"))
