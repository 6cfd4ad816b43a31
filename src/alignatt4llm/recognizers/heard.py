"""A known transcript as a real recogniser would hear it: late, unsure at the live edge."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.errors import UsageError
from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.agreement import HOLD_BACK, Agreement
from alignatt4llm.transcript import Recognition


@dataclass(frozen=True, slots=True)
class Hearing:
    """How well a simulated recogniser hears; by default about as Whisper base does.

    `alignatt evaluate tail` measures that: at the live edge half of the words are wrong, from a
    third of a second on no more than anywhere.

    Attributes
    ----------
    late
        Seconds after its end at which a word is first heard.
    misheard
        Probability that a word at the live edge is heard wrong, falling to 0 over ``reach``.
    reach
        Seconds from the live edge within which words may be misheard.
    seed
        Of the draws.
    """

    late: float = 0.1
    misheard: float = 0.5
    reach: float = 0.35
    seed: int = 13

    def __post_init__(self) -> None:
        if self.late < 0 or self.reach <= 0 or not 0 <= self.misheard <= 1:
            raise UsageError(f"{self} is no way of hearing: seconds from 0 on, a share in 0..1.")


class HeardTextRecognizer:
    """Says known words as they are heard; they are committed by agreement, as Whisper's are.

    Parameters
    ----------
    words
        The transcript in order of time.
    hold_back
        As for `Agreement`.
    hearing
        How late, and how often wrong.
    """

    def __init__(
        self,
        words: Sequence[SourceWord],
        hold_back: float = HOLD_BACK,
        hearing: Hearing = Hearing(),
    ) -> None:
        self._words = list(words)
        self._hearing = hearing
        self._agreement = Agreement(hold_back)
        self._draws = np.random.default_rng(hearing.seed)
        self._samples = 0
        self._committed = 0

    def feed(self, samples: Samples) -> Recognition:
        """Move the clock by the length of ``samples`` and say what is heard by then."""
        self._samples += len(samples)
        clock = self._samples / SAMPLE_RATE
        heard = []
        for word in self._words[self._committed :]:
            if word.end > clock - self._hearing.late:
                break
            heard.append(self._heard(word, clock))
        committed = self._agreement.update(heard, clock)
        self._committed += len(committed)
        return Recognition(tuple(committed), self._agreement.pending)

    def finish(self) -> Recognition:
        """Commit every word not yet said, heard right."""
        committed = tuple(self._words[self._committed :])
        self._committed = len(self._words)
        return Recognition(committed)

    def _heard(self, word: SourceWord, clock: float) -> SourceWord:
        """Return the word, or its beginning if it is misheard."""
        nearness = max(0.0, 1 - (clock - word.end) / self._hearing.reach)
        if self._draws.random() >= self._hearing.misheard * nearness:
            return word
        return replace(word, text=word.text[: max(1, len(word.text) // 2)])
