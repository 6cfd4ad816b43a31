"""Said words into cues: whole lines that end where one would pause, shown while they can be read.

The best of all arrangements is found by dynamic programming over the words: every cue costs the
strain of its ends, of the end of each of its lines, and of whatever rule it breaks.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from alignatt4llm.outputs.breaks import SENTENCE, strains
from alignatt4llm.outputs.cues import Cue, Said
from alignatt4llm.outputs.placing import LINGER, Placed, joined, placed
from alignatt4llm.outputs.rules import Rules, milliseconds
from alignatt4llm.text.languages import Language
from alignatt4llm.text.width import width

EACH = 3.0
"""Cost of a cue, so that lines are filled."""
SHOWN = 6
"""Ways to reach a word that are followed up: cheaper ones, and ones that end earlier."""
_UNEVEN = 2.0
"""Cost of two lines of which one is empty, almost; less, the less they differ."""
_PAUSE, _PAUSED = 0.6, 3.0
"""Seconds of silence that are a pause, and what one within a cue costs a second."""
_BROKEN, _UNREAD, _SLOW = 1000.0, 400.0, 20.0
"""Cost of a line that is too long; of a cue that cannot be read; of one whose speech lasts longer
than it may show."""
_TO_COME = 5
"""Cues to come that what is late makes late too."""


def _lateness(milliseconds: int) -> float:
    """Return the cost of a cue that is so late: little up to some seconds, ever more beyond."""
    return 0.1 * (max(0, milliseconds) / 1000) ** 3


class Text:
    """Words to be laid out in lines, and what each way to do so costs.

    Parameters
    ----------
    said
        The words.
    rules
        What lines keep to.
    language
        Of the words.
    """

    def __init__(self, said: Sequence[Said], rules: Rules, language: Language) -> None:
        self.said, self._rules, self._language = said, rules, language
        self.strains = strains(said, language)
        widths = [width(word.joint + word.text, rules.halves) for word in said]
        self._ends = list(accumulate(widths, initial=0.0))
        self._joints = [width(word.joint, rules.halves) for word in said]

    def width(self, first: int, last: int) -> float:
        """Return the characters of a line of words ``first`` to ``last``, the latter excluded."""
        return self._ends[last] - self._ends[first] - self._joints[first] if last > first else 0.0

    def lines(self, first: int, last: int) -> tuple[float, tuple[int, ...]]:
        """Return the least cost of so many words in one cue, and where its lines end."""
        return self._split(first, last, self._rules.lines)

    def _split(self, first: int, last: int, lines: int) -> tuple[float, tuple[int, ...]]:
        whole = self.width(first, last)
        if whole <= self._rules.line or last - first <= 1 or lines == 1:
            return self._broken(whole), (last,)
        return min(self._splits(first, last, lines))

    def _splits(self, first: int, last: int, lines: int) -> Iterator[tuple[float, tuple[int, ...]]]:
        for cut in range(first + 1, last):
            broken = self._broken(self.width(first, cut))
            if broken and cut > first + 1:
                return
            rest, ends = self._split(cut, last, lines - 1)
            uneven = abs(self.width(first, cut) - self.width(cut, last)) / self._rules.line
            yield broken + rest + self.strains[cut] + _UNEVEN * uneven, (cut, *ends)

    def _broken(self, width: float) -> float:
        over = width - self._rules.line
        return _BROKEN * (1 + over) if over > 0 else 0.0

    def fits(self, first: int, last: int) -> bool:
        """Whether so many words may be in one cue at all."""
        return self.width(first, last) <= self._rules.line * self._rules.lines

    def text(self, first: int, ends: Sequence[int]) -> tuple[str, ...]:
        """Return the lines that begin with a word and end before others."""
        return tuple(self._line(a, b) for a, b in pairwise((first, *ends)))

    def _line(self, first: int, last: int) -> str:
        words = self.said[first:last]
        return words[0].text + "".join(word.joint + word.text for word in words[1:])


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to lay out the words up to ``last``, by its last cue."""

    cost: float
    free: int
    last: int
    ends: tuple[int, ...] = ()
    place: Placed | None = None
    before: "_Way | None" = None


@dataclass(frozen=True, slots=True)
class Arranged:
    """A cue whose end may still be moved."""

    lines: tuple[str, ...]
    place: Placed
    below: tuple[str, ...] = ()

    def at(self, place: Placed) -> Cue:
        """Return the cue."""
        return Cue(self.lines, place.start, place.end, self.below)


def lay_out(
    said: Sequence[Said],
    rules: Rules,
    language: Language,
    free: int = 0,
    below: Text | None = None,
    goes_on: bool = False,
) -> list[Arranged]:
    """Arrange words in cues.

    Parameters
    ----------
    said
        The words, in the order in which they are said; their times never go back.
    rules
        What the cues keep to, as far as the words allow.
    language
        Of the words.
    free
        Milliseconds from when on cues may show.
    below
        The words of the source, which stand under those that show while they are heard.
    goes_on
        Whether more is to come.

    Returns
    -------
    list of Arranged
        Every word stands in exactly one of them, in order; they do not overlap.
    """
    if not said:
        return []
    return _Layout(Text(said, rules, language), rules, below, goes_on).best(free)


def cues_of(
    said: Sequence[Said],
    rules: Rules,
    language: Language,
    free: int = 0,
    below: Text | None = None,
) -> list[Cue]:
    """Return the cues of a whole text; see `lay_out`."""
    found = lay_out(said, rules, language, free, below)
    places = joined([cue.place for cue in found], rules)
    return [cue.at(place) for cue, place in zip(found, places, strict=True)]


class _Layout:
    """The search for the best arrangement."""

    def __init__(self, text: Text, rules: Rules, below: Text | None, goes_on: bool) -> None:
        self._text, self._rules, self._below, self._goes_on = text, rules, below, goes_on
        self._gap = milliseconds(rules.gap)
        said = text.said
        self._starts = [round(word.start * 1000) for word in said]
        self._ends = [round(word.end * 1000) for word in said]
        silences = (max(0.0, b.start - a.end) for a, b in pairwise(said))
        self._silences = [0.0, *(s if s >= _PAUSE else 0.0 for s in silences), 0.0]
        self._silent = list(accumulate(self._silences))
        starts = [word.start for word in below.said] if below else []
        self._under = [0, *(bisect_left(starts, word.start) for word in said[1:]), len(starts)]

    def best(self, free: int) -> list[Arranged]:
        """Return the cheapest arrangement from a time on."""
        count = len(self._text.said)
        ways: list[list[_Way]] = [[] for _ in range(count + 1)]
        ways[0].append(_Way(0.0, free, 0))
        for first in range(count):
            kept = _frontier(ways[first])
            for last, cost, ends in self._cues(first):
                for way in kept:
                    ways[last].extend(self._extended(way, last, cost, ends))
        return self._traced(min(ways[count], key=lambda way: way.cost + self._owed(way)))

    def _owed(self, way: _Way) -> float:
        """Return what a way will cost the cues that are to come, being late."""
        late = _lateness(way.free - self._ends[-1] - LINGER)
        return _TO_COME * late if self._goes_on else 0.0

    def _cues(self, first: int) -> Iterator[tuple[int, float, tuple[int, ...]]]:
        """Yield the cues that begin with a word: where they end, their cost, their lines."""
        for last in range(first + 1, len(self._text.said) + 1):
            if last > first + 1 and not self._text.fits(first, last):
                return
            cost, ends = self._text.lines(first, last)
            if cost >= _BROKEN and last > first + 1:
                continue
            pauses = self._silent[last - 1] - self._silent[first]
            end = max(SENTENCE, self._text.strains[last] - _PAUSED * self._silences[last])
            under = (
                self._below.lines(self._under[first], self._under[last])[0] if self._below else 0
            )
            yield last, EACH + cost + end + _PAUSED * pauses + under, ends

    def _extended(self, way: _Way, last: int, cost: float, ends: tuple[int, ...]) -> Iterator[_Way]:
        """Yield a way with one more cue, which shows until it is read, or hurries."""
        start, end = self._starts[way.last], self._ends[last - 1]
        characters = sum(self._text.width(a, b) for a, b in pairwise((way.last, *ends)))
        reading = self._rules.reading(characters)
        for hurries in (False, True):
            place = placed(start, end, reading, way.free, self._rules, hurries)
            late = _lateness(place.start - start)
            slow = _SLOW if end > place.end else 0.0
            unread = _UNREAD * (place.missing + 1) if place.missing else 0.0
            total = way.cost + cost + late + slow + unread
            yield _Way(total, place.end + self._gap, last, ends, place, way)
            if place.end <= end + LINGER:
                return

    def _traced(self, way: _Way) -> list[Arranged]:
        found: list[Arranged] = []
        while way.before is not None and way.place is not None:
            first = way.before.last
            lines = self._text.text(first, way.ends)
            found.append(Arranged(lines, way.place, self._source(first, way.last)))
            way = way.before
        return found[::-1]

    def _source(self, first: int, last: int) -> tuple[str, ...]:
        if self._below is None or self._under[first] == self._under[last]:
            return ()
        begin = self._under[first]
        return self._below.text(begin, self._below.lines(begin, self._under[last])[1])


def _frontier(ways: list[_Way]) -> list[_Way]:
    """Keep ways that are cheaper than all that end earlier: a few, from the first to the last."""
    kept: list[_Way] = []
    for way in sorted(ways, key=lambda way: (way.free, way.cost)):
        if not kept or way.cost < kept[-1].cost:
            kept.append(way)
    if len(kept) <= SHOWN:
        return kept
    return [kept[round(n * (len(kept) - 1) / (SHOWN - 1))] for n in range(SHOWN)]
