"""An engine that hangs: streams that go through the passes of one stepper, as a model's do.

As a program it is `alignatt` with this engine for the scripted one: the first pass that finds the
file named in HANGING_AFTER removes it and does not come back.
"""

import os
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

from alignatt4llm.translators import scripted
from alignatt4llm.translators.scripted import ScriptedDrafter
from alignatt4llm.translators.stepper import Stepper
from alignatt4llm.translators.table import ENGINES

STEP = 0.5
"""Seconds after which the program gives up."""


class Step:
    """What is fed to a pass: a token."""

    ids = (1,)


class Shared(ScriptedDrafter):
    """Drafts after a pass with all others."""

    def __init__(self, stepper):
        super().__init__()
        self._stepper = stepper

    def draft(self, *asked):
        with self._stepper.drafting():
            self._stepper.step(Step())
        return super().draft(*asked)


class Hanging:
    """Makes drafters of one engine that hangs once `hang` is set, until `free` is."""

    def __init__(self):
        self.hang, self.free = threading.Event(), threading.Event()
        self._stepper = Stepper(self._pass)

    def __call__(self):
        return Shared(self._stepper)

    def _pass(self, feeds):
        if self.hang.is_set():
            self.free.wait()


class Ordered(Hanging):
    """Hangs as soon as it is told to by the file."""

    def _pass(self, feeds):
        order = Path(os.environ["HANGING_AFTER"])
        if order.exists():
            order.unlink()
            self.hang.set()
        super()._pass(feeds)


def load(asked):
    return replace(scripted.load(asked), translator=scripted.ScriptedTranslator(Ordered()))


def main():
    from alignatt4llm.cli.main import main as alignatt
    from alignatt4llm.serve import limits

    ENGINES["scripted"] = replace(ENGINES["scripted"], load=f"{__name__}:load")
    limits.Limits = partial(limits.Limits, step=STEP)
    sys.exit(alignatt())


if __name__ == "__main__":
    main()
