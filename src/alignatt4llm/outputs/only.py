"""One target of a stream: what it says, and what is heard as it counts words and utterances."""

from alignatt4llm.events import JOINED, Close, Event, Notice, Source, SourceWord, TargetState
from alignatt4llm.outputs.base import Format


class Only:
    """Takes the events of a stream, and leaves those that a stream of one target would have.

    Parameters
    ----------
    to
        Code of its language.
    """

    def __init__(self, to: str) -> None:
        self._to = to
        self._utterance = self._first = 0
        self._words: list[SourceWord] = []  # committed, from the open utterance on

    def take(self, event: Event) -> Event | None:
        """Return the event as it concerns this target; None if it does not."""
        if isinstance(event, Notice):
            return event
        if isinstance(event, Source):
            return self._heard(event)
        if event.to != self._to:
            return None
        if isinstance(event, TargetState) and event.state == JOINED:
            self._first, self._words = event.first, []
        elif isinstance(event, Close):
            self._utterance = event.utterance + 1
            self._first += event.words
            del self._words[: event.words]
        return event

    def _heard(self, source: Source) -> Source | None:
        """Return the words that are open here, whoever tells; None if it does not go on here."""
        if source.to == self._to and source.first != self._first:  # this came to it later
            self._utterance, self._first, self._words = source.utterance, source.first, []
        ahead = source.first - self._first
        if not ahead <= len(self._words) <= ahead + len(source.committed):
            return None
        self._words[max(0, ahead) :] = source.committed[max(0, -ahead) :]
        return Source(
            self._utterance,
            tuple(self._words),
            source.tail,
            source.audio_s,
            self._to,
            self._first,
        )


class Alone(Format):
    """A format for one target, which is fed the events of a stream.

    Parameters
    ----------
    form
        The format; its target is that of its style.
    """

    def __init__(self, form: Format) -> None:
        super().__init__(form.style)
        self._form, self._only = form, Only(form.style.pair.target.code)
        self.footer = form.footer

    def begin(self) -> str:
        """Return what stands before everything."""
        return self._form.begin()

    def add(self, event: Event) -> str:
        """Return what an event adds, if it concerns the target."""
        own = self._only.take(event)
        return self._form.add(own) if own else ""

    def end(self) -> str:
        """Return what is still pending."""
        return self._form.end()

    def anew(self) -> str:
        """Return what the whole is to be replaced with when it is over; empty if it stays."""
        return self._form.anew()
