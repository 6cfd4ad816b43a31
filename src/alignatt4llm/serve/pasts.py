"""What was said of a stream in all its languages, added up from its journal."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from alignatt4llm.delays import Delays
from alignatt4llm.events import ADDED, DROPPED, JOINED, Commit, End, SourceWord, TargetState
from alignatt4llm.serve.past import Past, Settled, fold
from alignatt4llm.serve.past import Record as OfOne
from alignatt4llm.stream import Begins, Standing
from alignatt4llm.text.languages import LANGUAGES

Record = OfOne | TargetState
"""What is kept of a stream, in order."""


@dataclass(slots=True)
class PastTarget:
    """Where a target stands.

    Attributes
    ----------
    past
        What was said.
    begins
        What it waits for, if it has not joined yet.
    until
        How many words of the stream had been heard when it was dropped; None if it was not.
    ended
        Whether it has.
    """

    past: Past = field(default_factory=Past)
    begins: Begins | None = None
    until: int | None = None
    ended: bool = False

    @property
    def dropped(self) -> bool:
        """Whether it only says what was heard before it was dropped."""
        return self.until is not None

    @property
    def hears(self) -> bool:
        """Whether it says what is heard from now on."""
        return self.begins is None and not self.dropped


class Pasts:
    """Where a stream stands, as its records tell.

    Parameters
    ----------
    targets
        Codes of the languages that it was started with.

    Attributes
    ----------
    words
        Every source word that is final.
    settled
        Samples of the stream whose words are all final.
    ended
        Whether its end was said.
    targets
        Every language, by its code.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        self.words: list[SourceWord] = []
        self.settled = 0
        self.ended = False
        self.targets = {to: _begun(to) for to in targets}

    @property
    def open(self) -> dict[str, PastTarget]:
        """The targets that go on."""
        return {to: each for to, each in self.targets.items() if not each.ended}

    @property
    def wall(self) -> float:
        """Seconds from the beginning of the stream until something was last said."""
        return max((each.past.standing.wall_s for each in self.targets.values()), default=0.0)

    @property
    def opened(self) -> int:
        """How many of the last words are in an utterance that is open."""
        hearing = [each for each in self.open.values() if each.hears]
        return min((len(each.past.standing.heard) for each in hearing), default=0)

    @property
    def behind(self) -> set[str]:
        """The targets whose open words reach further back than those of others."""
        opened = self.opened
        return {to for to, each in self.open.items() if len(each.past.standing.heard) > opened}

    def add(self, record: Record) -> None:
        """Add one more record."""
        if isinstance(record, Settled):
            self.words += record.words
            self.settled = record.samples
            for to, each in self.open.items():
                if each.hears:
                    each.past = fold(each.past, record, LANGUAGES[to])
        elif isinstance(record, TargetState):
            self._turn(record)
        elif isinstance(record, End):
            self.ended = True
        else:
            to = record.to or next(iter(self.targets))
            each = self.targets[to]
            each.past = fold(each.past, record, LANGUAGES[to])
            if isinstance(record, Commit) and each.past.delays:
                each.past.delays.add(record.text, record.audio_s, record.wall_s)

    def _turn(self, turn: TargetState) -> None:
        """Note what happens to a target."""
        if turn.state == ADDED:
            before = self.targets.pop(turn.to, None) or _begun(turn.to)
            begins = Begins.START if turn.from_start else Begins.NEXT
            self.targets[turn.to] = PastTarget(before.past, begins)
            return
        each = self.targets[turn.to]
        if turn.state == JOINED:
            each.begins = None
            each.past = self._joined(each, turn.first)
        elif turn.state == DROPPED:
            each.until = len(self.words)
        else:
            each.ended = True

    def _joined(self, each: PastTarget, first: int) -> Past:
        """Return where a target stands that begins with a word, behind what it said before."""
        past, heard = each.past, tuple(self.words[first : each.until])
        before = past.standing
        standing = replace(again(before), heard=heard, wall_s=self.wall, first=first)
        return replace(past, standing=standing, closed=first)


def again(before: Standing) -> Standing:
    """Return where a language begins that was dropped: what it says stands behind what it said."""
    return Standing(utterance=before.utterance, said=before.said)


def _begun(to: str) -> PastTarget:
    return PastTarget(Past(delays=Delays(LANGUAGES[to])))
