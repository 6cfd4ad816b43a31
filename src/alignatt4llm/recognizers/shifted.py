"""A recogniser that begins in the middle of a stream."""

from dataclasses import replace

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.base import Recognizer
from alignatt4llm.transcript import Recognition


class Shifted:
    """Puts the times of a recogniser that starts now onto the clock of a running stream.

    Parameters
    ----------
    recognizer
        Counts its times from its own first sample.
    samples
        Samples of the stream that lie before that one.
    """

    def __init__(self, recognizer: Recognizer, samples: int) -> None:
        self._recognizer = recognizer
        self._offset = samples / SAMPLE_RATE

    def feed(self, samples: Samples) -> Recognition:
        """Take the next stretch of audio; see `Recognizer.feed`."""
        return self._moved(self._recognizer.feed(samples))

    def finish(self) -> Recognition:
        """Commit everything pending; see `Recognizer.finish`."""
        return self._moved(self._recognizer.finish())

    def _moved(self, heard: Recognition) -> Recognition:
        return Recognition(
            tuple(map(self._later, heard.committed)), tuple(map(self._later, heard.tail))
        )

    def _later(self, word: SourceWord) -> SourceWord:
        return replace(word, start=word.start + self._offset, end=word.end + self._offset)
