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
from alignatt4llm.schedule.first_speech import FirstSpeech
from alignatt4llm.text.languages import LANGUAGES, Language, language, targets

AUTO = "auto"
"""Stands for the language that is spoken where the user leaves it open."""
_FALLBACK = LANGUAGES["en"]

SPOKEN = "{} is spoken, it seems ({:.0%} sure); if it is not, give the language with --from."
UNTOLD = "Which language is spoken cannot be told; {} is taken. Give another with --from."
UNHEARD = "No speech was heard from which to tell the language; {} is taken."


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
    ears = _ears(args)
    blocks, first = iter(source), FirstSpeech()
    began = time.monotonic()
    first.listen(blocks, ears.detect)
    found, sure = first.spoken or (_FALLBACK, 0.0)
    text = SPOKEN if sure else UNTOLD if first.voiced else UNHEARD
    known = argparse.Namespace(**{**vars(args), "source": found.code})
    return Spoken(
        known, first.replayed(blocks), began, [Notice("spoken", text.format(found.name, sure))]
    )


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
