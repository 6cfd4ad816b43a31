"""Which language is spoken in a stream, decided once from its first speech."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.audio.voice import VoiceActivity
from alignatt4llm.errors import UsageError
from alignatt4llm.events import Notice
from alignatt4llm.text.languages import LANGUAGES, Language, language
from alignatt4llm.transcript import Spoken

ENOUGH = 4.0
"""Seconds of voice after which the language is asked for, and then again."""
MOST = 24.0
"""Seconds of voice after which the likeliest is taken."""
LATEST = 600.0
"""Seconds of audio after which nothing more is waited for."""
SURE = 0.6
"""Share from which on a language is taken at once."""

Detect = Callable[[Samples], Spoken | None]
"""Tells which language is spoken in audio, if it can."""

_FALLBACK = LANGUAGES["en"]
SPOKEN = "{} is spoken, it seems ({:.0%} sure); if it is not, give the language with --from."
UNTOLD = "Which language is spoken cannot be told; {} is taken. Give another with --from."
UNHEARD = "No speech was heard from which to tell the language; {} is taken."


def spoken_in(
    blocks: Iterable[Samples], detect: Detect
) -> tuple[Language, Iterator[Samples], Notice]:
    """Return the language of a stream, the whole stream again, and what is to be said of that.

    English is taken where it cannot be told.
    """
    rest, first = iter(blocks), FirstSpeech()
    first.listen(rest, detect)
    found, sure = first.spoken or (_FALLBACK, 0.0)
    text = SPOKEN if sure else UNTOLD if first.voiced else UNHEARD
    return found, first.replayed(rest), Notice("spoken", text.format(found.name, sure))


@dataclass
class FirstSpeech:
    """The beginning of a stream, up to where its language is known.

    Attributes
    ----------
    heard
        The blocks that were taken from the stream.
    spoken
        The language that is the likeliest so far, and how sure that is; None before any speech,
        or while it is in no language of the table.
    voiced
        Whether somebody spoke.
    """

    heard: list[Samples] = field(default_factory=list)
    spoken: tuple[Language, float] | None = None
    voiced: bool = False

    def listen(self, blocks: Iterator[Samples], detect: Detect) -> None:
        """Take blocks until the language is known, or the stream ends, or it is no use to wait."""
        voice, asked = _Voice(), 0.0
        for block in blocks:
            self.heard.append(block)
            voice.feed(block)
            if voice.seconds - asked >= ENOUGH:
                asked = voice.seconds
                if self._ask(voice, detect) or asked >= MOST:
                    return
            if sum(map(len, self.heard)) >= LATEST * SAMPLE_RATE:
                break
        if voice.seconds > asked:
            self._ask(voice, detect)

    def replayed(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Return the whole stream again: what was taken, then the rest."""
        return chain(self.heard, blocks)

    def _ask(self, voice: "_Voice", detect: Detect) -> bool:
        """Ask what is spoken; return whether that is sure."""
        self.voiced = True
        found = detect(voice.samples)
        known = _in_table(found.language) if found else None
        if found and known and found.share >= (self.spoken[1] if self.spoken else 0.0):
            self.spoken = (known, found.share)
        return bool(known and found and found.share >= SURE)


class _Voice:
    """The parts of a stream in which somebody speaks."""

    def __init__(self) -> None:
        self._activity = VoiceActivity()
        self._frames: list[Samples] = []

    def feed(self, block: Samples) -> None:
        self._frames += [frame for frame, speaks in self._activity.feed(block) if speaks]

    @property
    def seconds(self) -> float:
        return sum(map(len, self._frames)) / SAMPLE_RATE

    @property
    def samples(self) -> Samples:
        return np.concatenate(self._frames)


def _in_table(code: str) -> Language | None:
    """Return the language of a code, unless another would only stand for it."""
    said: list[str] = []
    with suppress(UsageError):
        found = language(code, said.append)
        return None if said else found
    return None
