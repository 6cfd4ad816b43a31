"""What commands say while they work."""

import sys
import time

from alignatt4llm.errors import Advance

_EVERY = 10.0
"""Seconds between two messages about the same work, where they do not replace each other."""
_AGAIN = "\r\x1b[K"
"""Begins a line of the terminal anew."""
_WIDTH = 30
"""Characters of a bar."""


class _Report:
    """Messages on standard error; in a terminal, what tells of long work is drawn as a bar."""

    def __init__(self) -> None:
        self._told = -_EVERY
        self._drawn = False

    def __call__(self, message: str) -> None:
        if isinstance(message, Advance):
            self._advance(message)
        else:
            self._say(message)
            self._told = -_EVERY

    def _advance(self, message: Advance) -> None:
        if sys.stderr.isatty() and message.share < 1:
            done = round(_WIDTH * message.share)
            bar = "█" * done + "░" * (_WIDTH - done)
            print(f"{_AGAIN}{bar} {message}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        elif message.share == 1 or time.monotonic() - self._told >= _EVERY:
            self._say(message)
            self._told = time.monotonic()

    def _say(self, message: str) -> None:
        """Print a line, in place of a bar if one stands there."""
        print(f"{_AGAIN if self._drawn else ''}{message}", file=sys.stderr, flush=True)
        self._drawn = False


tell = _Report()
"""Says how far the work is, on standard error."""
