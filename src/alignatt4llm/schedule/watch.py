"""What one should know about a stream, noticed while it is fed; each kind is said once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from alignatt4llm.audio.level import Level
from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.errors import UsageError
from alignatt4llm.events import End, Notice, Source
from alignatt4llm.schedule.spoken import SpokenLanguage
from alignatt4llm.schedule.timelines import Arrived, Came, News
from alignatt4llm.text.languages import Language, language
from alignatt4llm.transcript import Heard

NOTHING = 10.0
"""Seconds of digital silence at the beginning after which it is told."""
WORDLESS = 30.0
"""Seconds without a word, or near silence, at the beginning after which they are told."""


class Watch:
    """Notices for one stream: its level, whether speech is heard, and in which language.

    Parameters
    ----------
    spoken
        The language that should be spoken.
    told
        Returns what the source of the audio has had to say so far.
    start
        Samples of the stream before the first: what was heard in them is not known here, and
        nothing is said about speech or silence.
    """

    def __init__(
        self,
        spoken: Language,
        told: Callable[[], Sequence[Notice]] = tuple,
        start: int = 0,
    ) -> None:
        self._told = told
        self._expected, self._spoken = spoken, SpokenLanguage(spoken)
        self._level = Level()
        self._start = start / SAMPLE_RATE
        self._clock = 0.0  # seconds that were recognised
        self._words = start > 0
        self._said: set[tuple[str, str]] = set()

    def take(self, news: News) -> Iterator[Notice]:
        """Take in what happens in the stream and yield what should be said before it."""
        ended = False
        match news:
            case Arrived(samples) if samples is not None:
                self._level.feed(samples)
            case Came(_, Heard() as heard):
                self._hear(heard)
            case Came(_, Source() as source):
                self._words |= bool(source.committed or source.tail)
            case Came(_, End()):
                ended = True
                self._level.finish()
        yield from self._fresh()
        yield from self._once(self._judged(ended))

    def _hear(self, heard: Heard) -> None:
        recognition = heard.recognition
        self._clock += heard.samples / SAMPLE_RATE
        self._words |= bool(recognition.committed or recognition.tail)
        if recognition.spoken:
            self._spoken.hear(recognition.spoken)

    def _fresh(self) -> Iterator[Notice]:
        """Yield what the source of the audio has said since, no sentence twice."""
        for notice in self._told():
            if (key := (notice.kind, notice.text)) not in self._said:
                self._said.add(key)
                yield notice

    def _once(self, judged: Iterator[tuple[str, str]]) -> Iterator[Notice]:
        for kind, text in judged:
            if (key := (kind, "")) not in self._said:
                self._said.add(key)
                yield Notice(kind, text, self._start + self._level.seconds)

    def _judged(self, ended: bool) -> Iterator[tuple[str, str]]:
        """Yield the kinds that apply now, with their sentences."""
        if self._level.seconds:
            yield from self._judged_level(ended)
        if not self._words and self._level.seconds and (ended or self._clock >= WORDLESS):
            seconds = self._level.seconds if ended else self._clock
            yield "no_speech", NO_SPEECH.format(seconds)
        if code := self._spoken.other(ended):
            yield "language", _other_language(code, self._expected)

    def _judged_level(self, ended: bool) -> Iterator[tuple[str, str]]:
        level = self._level
        if level.clipped:
            yield "clipped", CLIPPED
        if self._start:
            return
        if level.silent:
            if not self._words and (ended or level.seconds >= NOTHING):
                yield "silent", SILENT
        elif level.quiet and (ended or level.seconds >= WORDLESS):
            yield "quiet", QUIET.format(level.loudest)


SILENT = (
    "The sound is silent; check that the microphone is not muted, and which device, channel or "
    "track is heard."
)
QUIET = (
    "The sound is very quiet ({:.0f} dBFS at its loudest); go nearer to the microphone or turn "
    "its level up."
)
CLIPPED = "The sound is too loud and cut off at full scale (clipped); turn the microphone down."
NO_SPEECH = (
    "In {:.0f} s of audio no speech was heard; check the microphone, the channel and the spoken "
    "language."
)
OTHER = "{} is spoken, it seems, not {}{}."
ADVICE = "; give {0} as the spoken language (--from {0})"


def _other_language(code: str, expected: Language) -> str:
    """Say what is spoken, and how to tell, if it can be told."""
    found: Language | None = None
    nearest: list[str] = []
    with suppress(UsageError):
        found = language(code, nearest.append)
    if found is None or nearest:
        return OTHER.format("Another language", expected.name, "")
    return OTHER.format(found.name, expected.name, ADVICE.format(found.code))
