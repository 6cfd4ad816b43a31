"""One stream that is only transcribed: from audio to events that say what was heard."""

import time
from collections.abc import Callable, Iterator, Sequence

from alignatt4llm.audio.samples import Samples
from alignatt4llm.delays import peak_memory_mb
from alignatt4llm.events import Close, Commit, End, Event, Source
from alignatt4llm.recognizers.base import Recognizer
from alignatt4llm.text.languages import Language
from alignatt4llm.transcript import Heard, SourceSettings, Transcript


class Hearing:
    """A session without a translator: every word is said in its own language once it is final.

    Parameters
    ----------
    recognizer
        Of this stream.
    language
        What is spoken.
    settings
        When utterances close.
    now
        Wall clock in seconds.
    """

    stays = True

    def __init__(
        self,
        recognizer: Recognizer,
        language: Language,
        settings: SourceSettings = SourceSettings(),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.transcript = Transcript(language, settings)
        self.to = language.code
        self._recognizer = recognizer
        self._between = language.separator
        self._utterance = 0
        self._said = 0
        self._begun = False
        self._now = now
        self._began = now()

    @property
    def targets(self) -> dict[str, "Hearing"]:
        """Itself, as the one target of its stream."""
        return {self.to: self}

    def listen(self, samples: Samples) -> Heard:
        """Recognise the next chunk."""
        return Heard(self._recognizer.feed(samples), len(samples))

    def translate(self, heard: Sequence[Heard]) -> Iterator[Event]:
        """Take in what was heard, in order, and say what is final of it."""
        for step in heard:
            self.transcript.update(step.recognition, step.samples)
        yield from self._step()

    def finish(self) -> Iterator[Event]:
        """Say that the stream has ended, and everything that is pending."""
        self.transcript.finish(self._recognizer.finish())
        yield from self._step()
        clock, wall = self.transcript.clock, self._now() - self._began
        yield End(clock, wall, wall / clock if clock else 0.0, peak_memory_mb())

    def close(self) -> None:
        """Nothing is kept elsewhere."""

    def _step(self) -> Iterator[Event]:
        heard = self.transcript
        yield Source(self._utterance, tuple(heard.committed), heard.tail, heard.clock)
        yield from self._say()
        while count := heard.closing():
            yield self._close(count)

    def _say(self) -> Iterator[Event]:
        """Say the words that have become final."""
        words = [word.text for word in self.transcript.committed]
        if fresh := words[self._said :]:
            text = (self._between if self._begun else "") + self._between.join(fresh)
            wall = self._now() - self._began
            yield Commit(text, self._utterance, self.transcript.clock, wall, len(words) - 1)
            self._said, self._begun = len(words), True

    def _close(self, count: int) -> Close:
        words = self.transcript.close(count)
        text = self._between.join(word.text for word in words)
        start, end, clock = words[0].start, words[-1].end, self.transcript.clock
        self._said -= count
        self._utterance += 1
        return Close(self._utterance - 1, text, text, start, end, clock, count)
