"""Ctrl-C that never falls between a decision and its being written down."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Self


class Interrupt:
    """While entered, Ctrl-C stops the audio: what was heard is still translated and said.

    A second Ctrl-C raises KeyboardInterrupt wherever the program is.

    Parameters
    ----------
    stop
        Ends the audio; called from a signal handler.

    Attributes
    ----------
    asked
        Whether Ctrl-C was pressed.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self.asked = False
        self._stop = stop

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if again:
            raise KeyboardInterrupt
        self._stop()
