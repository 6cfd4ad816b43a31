"""The source side of a session: recognised words, the stream clock, the frontier."""

from dataclasses import dataclass

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.errors import UsageError
from alignatt4llm.events import SourceWord
from alignatt4llm.text.languages import Language
from alignatt4llm.text.sentences import ends_clause, ends_sentence


@dataclass(frozen=True, slots=True)
class Spoken:
    """The language that a recogniser hears: its code, and how sure it is of it, from 0 to 1."""

    language: str
    share: float


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a recogniser says after one step.

    Attributes
    ----------
    committed
        Words that became final in this step; they never change again.
    tail
        The current guess for what follows; it replaces the previous tail.
    spoken
        The language of the last seconds of voice, where the recogniser has looked at it.
    """

    committed: tuple[SourceWord, ...] = ()
    tail: tuple[SourceWord, ...] = ()
    spoken: Spoken | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What the recogniser said after a chunk of so many samples.

    Attributes
    ----------
    until, words
        Samples and committed words of the stream so far.
    opened
        The committed words of the utterance that began with this chunk; None if none did.
    """

    recognition: Recognition
    samples: int
    until: int = 0
    words: int = 0
    opened: tuple[SourceWord, ...] | None = None


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """When the source makes a full stop, and how many visible words stay inaccessible.

    Attributes
    ----------
    margin
        Words at the end of what is visible that the policy may never rely on: the target of the
        last word heard often depends on the next.
    trust
        Seconds after its end from which a word of the tail is accessible although the recogniser
        may still change it; None for never.
    stops
        Whether full stops of what is said close the utterance.
    pause
        Seconds of silence after a committed word that close the utterance.
    gap
        Seconds from a committed word to the next visible one that close the utterance; None for
        no such rule. At the live edge, where a silence may be a word that is not heard yet,
        ``pause`` decides.
    max_words
        Committed words after which the utterance is closed at the best place found, so that a
        speaker without pauses and a recogniser without punctuation cannot grow it for ever. From
        three quarters of them on, a comma will do for a full stop.
    """

    margin: int = 1
    trust: float | None = None
    stops: bool = True
    pause: float = 1.2
    gap: float | None = None
    max_words: int = 40

    def __post_init__(self) -> None:
        if self.margin < 0:
            raise UsageError(f"margin is {self.margin}; it counts words and must be 0 or more.")
        if self.trust is not None and self.trust < 0:
            raise UsageError(f"trust is {self.trust}; it must be 0 seconds or more.")
        if self.pause <= 0:
            raise UsageError(f"pause is {self.pause}; it must be above 0 seconds.")
        if self.gap is not None and self.gap <= 0:
            raise UsageError(f"gap is {self.gap}; it must be above 0 seconds.")
        if self.max_words < 2:
            raise UsageError(f"max_words is {self.max_words}; it must be 2 or more.")


class Transcript:
    """The open utterance as recognised so far, on the stream clock.

    ``committed`` are the final words of the open utterance, ``tail`` the current guess. Closed
    utterances leave; what stays is bounded by ``settings.max_words`` and the recogniser's tail.

    Parameters
    ----------
    language
        What is spoken: it says where sentences and clauses end.
    settings
        When utterances close, and the margin.
    """

    def __init__(self, language: Language, settings: SourceSettings = SourceSettings()) -> None:
        self.language = language
        self.settings = settings
        self.committed: list[SourceWord] = []
        self.tail: tuple[SourceWord, ...] = ()
        self.samples = 0
        self.ended = False

    @property
    def clock(self) -> float:
        """Seconds of audio consumed since the stream began."""
        return self.samples / SAMPLE_RATE

    @property
    def visible(self) -> tuple[SourceWord, ...]:
        """Committed words and tail: the source that the prompt shows."""
        return (*self.committed, *self.tail)

    @property
    def accessible(self) -> int:
        """How many visible words the policy may rely on, from the first."""
        if self.ended:
            return len(self.committed)
        within_margin = len(self.committed) + len(self.tail) - self.settings.margin
        return max(0, min(len(self.committed) + self._trusted(), within_margin))

    def _trusted(self) -> int:
        """Count the words of the tail that ended long enough ago."""
        if self.settings.trust is None:
            return 0
        latest = self.clock - self.settings.trust
        return next((n for n, word in enumerate(self.tail) if word.end > latest), len(self.tail))

    def update(self, heard: Recognition, samples: int) -> None:
        """Advance the clock by ``samples`` and take in what the recogniser said."""
        self.samples += samples
        self.committed.extend(heard.committed)
        self.tail = heard.tail

    def finish(self, heard: Recognition) -> None:
        """Take in the recogniser's last words; nothing is pending after this."""
        self.update(heard, 0)
        self.tail = ()
        self.ended = True

    def closing(self, covered: int = -1) -> int:
        """Return how many committed words make a finished utterance now; 0 if none do.

        Parameters
        ----------
        covered
            Last word that the target looks at already. A close for length lies beyond it, so
            that the target of everything before the close can still be completed.
        """
        for count in range(1, len(self.committed) + 1):
            if self.settings.stops and self._sentence_ends_after(count):
                return count
            if self._silence_after(count) >= self._pause_after(count):
                return count
        if self.ended and len(self.committed) <= self.settings.max_words:
            return len(self.committed)
        return self._cut_for_length(covered)

    def close(self, count: int) -> tuple[SourceWord, ...]:
        """Take the first ``count`` committed words out of the open utterance."""
        closed = tuple(self.committed[:count])
        del self.committed[:count]
        return closed

    def _sentence_ends_after(self, count: int) -> bool:
        following = (*self.committed[count : count + 1], *self.tail[:1])
        if not (following or self.ended):
            return False
        before = [word.text for word in self.committed[:count]]
        return ends_sentence(before, following[0].text if following else "", self.language)

    def _pauses_after(self, count: int) -> bool:
        return ends_clause(self.committed[count - 1].text, self.language)

    def _silence_after(self, count: int) -> float:
        visible = self.visible
        until = visible[count].start if count < len(visible) else self.clock
        return until - visible[count - 1].end

    def _pause_after(self, count: int) -> float:
        """Return how long a silence closes the utterance there."""
        gap, pause = self.settings.gap, self.settings.pause
        return min(pause, gap) if gap and count < len(self.visible) else pause

    def _cut_for_length(self, covered: int) -> int:
        """The last clause boundary of a long utterance; of too long a one the longest pause."""
        length, longest = len(self.committed), self.settings.max_words
        if length < 3 * longest // 4:
            return 0
        counts = range(max(1, min(covered + 1, length), length // 2), length + 1)
        clauses = [count for count in counts if self._pauses_after(count)]
        if clauses:
            return clauses[-1]
        return max(counts, key=self._silence_after) if length >= longest else 0
