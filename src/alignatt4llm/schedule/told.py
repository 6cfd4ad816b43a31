"""Who tells what was heard: the first target that takes it in, and one that begins or lags."""

from collections.abc import Iterable

from alignatt4llm.events import Event, Source, TargetState


class Told:
    """What was told of the source, and who can follow it.

    Every target tells words from its own open utterance on. Where that lies beyond what was told,
    as it may for a target that joined late, those who follow another target miss the words
    between; that target tells its words itself.
    """

    def __init__(self) -> None:
        self._newest: Source | None = None
        self._known: dict[str, int] = {}  # words of the stream, as each target can follow them
        self._joined: set[str] = set()

    def is_news(self, event: Event, targets: Iterable[str]) -> bool:
        """Whether an event is to be told; ``targets`` are those that it may concern."""
        if isinstance(event, TargetState):
            self._joined.add(event.to)
        if not isinstance(event, Source):
            return True
        if event.to in self._joined:  # what it begins with is news for those who follow it alone
            self._joined.remove(event.to)
            self._known[event.to] = _words(event)
            return True
        if not (self._is_newest(event) or _words(event) > self._known.get(event.to, 0)):
            return False
        self._note(event, targets)
        return True

    def _is_newest(self, source: Source) -> bool:
        newest = self._newest
        if newest is None or _reach(source) > _reach(newest):
            return True
        return source.to == newest.to and _reach(source) == _reach(newest)

    def _note(self, source: Source, targets: Iterable[str]) -> None:
        if self._is_newest(source):
            self._newest = source
        for to in targets:
            known = self._known.get(to, 0)
            if source.first <= known <= _words(source) or to == source.to:
                self._known[to] = _words(source)


def _words(source: Source) -> int:
    return source.first + len(source.committed)


def _reach(source: Source) -> tuple[float, int]:
    return source.audio_s, _words(source)
