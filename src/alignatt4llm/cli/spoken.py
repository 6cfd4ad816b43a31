"""``--from auto``: the language that is spoken, found out from the first speech."""

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alignatt4llm.audio.samples import Samples
from alignatt4llm.cli import system
from alignatt4llm.cli.report import tell
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Notice
from alignatt4llm.recognizers.base import Detecting
from alignatt4llm.schedule.first_speech import spoken_in
from alignatt4llm.text.languages import Language, language, targets

AUTO = "auto"
"""Stands for the language that is spoken where the user leaves it open."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A stream whose language is known.

    Attributes
    ----------
    args
        The options, in which it is named.
    source
        Blocks of samples, from the beginning.
    began
        When listening began, as `time.monotonic` has it; None if nothing has been heard yet.
    notices
        What is to be said of its language.
    """

    args: argparse.Namespace
    source: Iterable[Samples]
    began: float | None = None
    notices: Sequence[Notice] = ()


def named(name: str) -> Language | None:
    """Return the language of ``--from``; None where it is left open."""
    return None if name.strip().lower() == AUTO else language(name)


def settled(args: argparse.Namespace, source: Iterable[Samples]) -> Spoken:
    """Find out which language is spoken, where that is left open; it is not changed later.

    Raises
    ------
    AlignattError
        If the recogniser cannot tell, or cannot be loaded.
    """
    if named(args.source):
        return Spoken(args, source)
    targets(args.to, None)  # what is wrong with them is said before anything is heard
    ears, began = _ears(args), time.monotonic()
    found, blocks, notice = spoken_in(source, ears.detect)
    known = argparse.Namespace(**{**vars(args), "source": found.code})
    return Spoken(known, blocks, began, [notice])


def _ears(args: argparse.Namespace) -> Detecting:
    """Load the recogniser; UsageError if it cannot tell languages apart."""
    from alignatt4llm.interpreter import load_ears

    asked = system.system(args)
    ears = load_ears(asked, 0, tell)
    if not isinstance(ears, Detecting):
        raise UsageError(
            f"The recogniser '{asked.recognizer}' cannot tell which language is spoken; give it "
            "with --from."
        )
    return ears
