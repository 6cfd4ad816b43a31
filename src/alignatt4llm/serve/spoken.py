"""The words of a stream as its journal keeps them: each once, in order."""

from collections.abc import Sequence

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.events import Source, SourceWord
from alignatt4llm.serve.journals.journal import Journal
from alignatt4llm.serve.past import Settled

_CERTAIN = 5.0
"""Seconds after which audio in which nothing was recognised holds no words."""


class Spoken:
    """What a server needs to hear a stream on from where it stands.

    Parameters
    ----------
    journal
        Where it is written down.
    words
        Those of before, which are there already.
    start
        Sample of the stream at which audio begins.

    Attributes
    ----------
    words
        All that was heard for good.
    """

    def __init__(self, journal: Journal, words: Sequence[SourceWord], start: int) -> None:
        self.words = words
        self._settled = self._safe = start
        self._journal, self._count = journal, len(words)

    @property
    def settled(self) -> int:
        """Samples of the stream that need not be heard again: all that comes of them is written."""
        settled = self._settled
        if self._journal.safe:
            self._safe = settled
        return self._safe

    def hear(self, source: Source) -> None:
        """Write down the words that a target was told of, whoever told of those before."""
        if self.keep(source.first + len(source.committed)) or source.tail:
            return
        certain = round((source.audio_s - _CERTAIN) * SAMPLE_RATE)
        self._settled = max(self._settled, certain)

    def keep(self, count: int | None = None) -> bool:
        """Write down so many words of the stream, or all; return whether there are new ones."""
        if fresh := tuple(self.words[self._count : count]):
            self._count += len(fresh)
            settled = max(self._settled, round(fresh[-1].end * SAMPLE_RATE))
            self._journal.hear(Settled(fresh, settled))
            self._settled = settled
        return bool(fresh)
