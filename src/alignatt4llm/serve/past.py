"""What was said of a stream, added up: the journal, the live session and the text door share it."""

from dataclasses import dataclass, replace

from alignatt4llm.delays import Delays
from alignatt4llm.events import Close, Commit, End, Source, SourceWord
from alignatt4llm.prompts.context import RECENT
from alignatt4llm.prompts.prompt import Closed
from alignatt4llm.session import MOST_HISTORY
from alignatt4llm.stream import Standing
from alignatt4llm.target import divided
from alignatt4llm.text.languages import Language


@dataclass(frozen=True, slots=True)
class Settled:
    """Source words that became final; before ``samples`` the stream holds no others."""

    words: tuple[SourceWord, ...]
    samples: int


Record = Settled | Commit | Close | End
"""What is kept of a stream, in order."""


@dataclass(frozen=True, slots=True)
class Past:
    """Where a stream stands, as its records tell; it does not grow with them.

    Attributes
    ----------
    standing
        What a session needs to go on.
    closed
        Source words in closed utterances.
    reached
        Source words up to the last that the translation looks at, from the stream's first.
    settled
        Samples of the stream whose words are all final.
    ended
        Whether its end was said.
    delays
        When everything was said; None where nobody asks.
    """

    standing: Standing = Standing()
    closed: int = 0
    reached: int = 0
    settled: int = 0
    ended: bool = False
    delays: Delays | None = None

    @property
    def heard(self) -> int:
        """Source words that are final, from the stream's first."""
        return self.closed + len(self.standing.heard)

    def fresh(self, source: Source) -> tuple[SourceWord, ...]:
        """Return the words of the open utterance that have become final since."""
        return source.committed[len(self.standing.heard) :]


def fold(past: Past, record: Record, language: Language) -> Past:
    """Return where a stream stands after one more record; ``language`` is the target's."""
    match record:
        case Settled(words, samples):
            standing = replace(past.standing, heard=(*past.standing.heard, *words))
            return replace(past, standing=standing, settled=samples)
        case Commit():
            return _said(past, record)
        case Close():
            return _closed(past, record, language)
        case End():
            return replace(past, ended=True)


def _said(past: Past, commit: Commit) -> Past:
    pieces = (*past.standing.pieces, *commit.pieces)
    standing = replace(past.standing, pieces=pieces, said=True, wall_s=commit.wall_s)
    looks = commit.covered >= 0
    reached = max(past.reached, past.closed + commit.covered + 1) if looks else past.reached
    return replace(past, standing=standing, reached=reached)


def _closed(past: Past, close: Close, language: Language) -> Past:
    now = past.standing
    words = (word.text for word in now.heard[: close.words])
    standing = replace(
        now,
        heard=now.heard[close.words :],
        pieces=divided(now.pieces, close.words, language)[1],
        utterance=close.utterance + 1,
        history=(*now.history, Closed(close.source, close.target))[-MOST_HISTORY:],
        recent=(*now.recent, *words)[-RECENT:],
        first=now.first + close.words,
    )
    return replace(past, standing=standing, closed=past.closed + close.words)
