"""Events into cues: live, as utterances close, or all at once when the whole text is known."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from alignatt4llm.events import Event
from alignatt4llm.outputs.cues import Cue, Said
from alignatt4llm.outputs.layout import Arranged, Text, cues_of, lay_out
from alignatt4llm.outputs.placing import joined
from alignatt4llm.outputs.rules import milliseconds
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.utterances import Timed, Timing

PATIENCE = 2.0
"""Seconds of silence after which a cue is written without knowing what follows."""

MOST_SOURCE = 200
"""Words of the source that wait at most until something is said."""


class LiveCues:
    """Cues that never change, one utterance after the other.

    The last cue of an utterance waits until it is known when the next may begin, so that it may
    show until then, or for a pause.

    Parameters
    ----------
    style
        Languages and rules.
    """

    def __init__(self, style: Style) -> None:
        self._style = style
        self._timing = Timing(style.pair.source, style.pair.target)
        self._source: tuple[Said, ...] = ()
        self._waiting: Arranged | None = None
        self._free = 0

    def add(self, event: Event) -> Iterator[Cue]:
        """Take an event; yield the cues that are known now."""
        if utterance := self._timing.add(event):
            yield from self._arranged(utterance)
        yield from self._known()

    def end(self) -> Iterator[Cue]:
        """Yield what is left; more may come after a break."""
        yield from self._arranged(self._timing.rest())
        yield from self._release()

    @property
    def clock(self) -> int:
        """Milliseconds of audio consumed so far."""
        return round(self._timing.clock * 1000)

    @property
    def settled(self) -> int:
        """Milliseconds before which no cue begins that is still to come, as far as one can know."""
        if self._waiting:
            return self._waiting.place.start
        timing = self._timing
        words = timing.heard or timing.tail
        begins = words[0].start if words else timing.clock - PATIENCE
        return max(round(begins * 1000), self._free)

    def _arranged(self, utterance: Timed) -> Iterator[Cue]:
        style, target = self._style, self._style.pair.target
        self._source = (*self._source, *utterance.source)[-MOST_SOURCE:]
        if not utterance.said:
            return  # what is heard here stands under what is said next
        below, self._source = _below(self._source, style), ()
        found = lay_out(utterance.said, style.rules, target, self._free, below, goes_on=True)
        yield from self._release(found[0].place.start)
        places = joined([cue.place for cue in found], style.rules)
        yield from (cue.at(place) for cue, place in zip(found[:-1], places, strict=False))
        self._waiting = found[-1]
        self._free = places[-1].end + milliseconds(style.rules.gap)

    def _known(self) -> Iterator[Cue]:
        """Yield the cue that waits, if it is known when the next begins at the earliest."""
        if self._waiting is None:
            return
        timing = self._timing
        if timing.heard:
            yield from self._release(max(round(timing.heard[0].start * 1000), self._free))
        elif not timing.tail and timing.clock * 1000 > self._waiting.place.end + self._patience:
            yield from self._release()

    @property
    def _patience(self) -> float:
        return (PATIENCE + self._style.rules.bridge) * 1000

    def _release(self, after: int | None = None) -> Iterator[Cue]:
        """Yield the cue that waits; no gap after it will be of a kind that should be closed."""
        if self._waiting is None:
            return
        cue, self._waiting = self._waiting, None
        (place,) = joined([cue.place], self._style.rules, after)
        gap, bridge = (milliseconds(s) for s in (self._style.rules.gap, self._style.rules.bridge))
        follows = after is not None and after - place.end < bridge
        self._free = place.end + (gap if follows else max(gap, bridge))
        yield cue.at(place)


class FinalCues:
    """The best cues for a whole text, all at its end.

    Parameters
    ----------
    style
        Languages and rules.
    written
        Turns words into what is written for them.
    free
        Milliseconds from when on cues may show.
    """

    def __init__(self, style: Style, written: Callable[[str], str] = str, free: int = 0) -> None:
        self._style, self._written, self._free = style, written, free
        self._timing = Timing(style.pair.source, style.pair.target)
        self._utterances: list[Timed] = []

    def add(self, event: Event) -> None:
        """Take an event."""
        if utterance := self._timing.add(event):
            self._utterances.append(utterance)

    def end(self) -> list[Cue]:
        """Return the cues."""
        utterances = [*self._utterances, self._timing.rest()]
        said = self._rising(chain.from_iterable(each.said for each in utterances))
        source = self._rising(chain.from_iterable(each.source for each in utterances))
        style, below = self._style, _below(source, self._style)
        return cues_of(said, style.rules, style.pair.target, self._free, below)

    def _rising(self, said: Iterable[Said]) -> list[Said]:
        """Return words whose times never go back, though those of their utterances may."""
        result, start, end = [], 0.0, 0.0
        for word in said:
            start, end = max(start, word.start), max(end, word.end)
            text = self._written(word.text)
            result.append(Said(text, start, max(start, end), word.joint))
        return [word for word in result if word.text]


def _below(source: Sequence[Said], style: Style) -> Text | None:
    if style.source_rules is None:
        return None
    return Text(source, style.source_rules, style.pair.source)
