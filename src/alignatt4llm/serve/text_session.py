"""A session that is fed words instead of audio, and answers as the text protocol has it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE, Samples
from alignatt4llm.events import Close, Commit, Event, Piece, Preview, Source, SourceWord
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.prompts.context import Context
from alignatt4llm.prompts.prompt import Closed
from alignatt4llm.serve.errors import BadState
from alignatt4llm.serve.past import Past, Settled, fold
from alignatt4llm.serve.text_protocol import VERSION, Init, Update, placed
from alignatt4llm.session import Session
from alignatt4llm.stream import Standing
from alignatt4llm.text.units import unit_spans
from alignatt4llm.transcript import Recognition

MOST_WORDS = 120
"""Committed words after which an utterance is closed whether its client closes it or not."""


class WordFeed:
    """A recogniser that says what it is told, whatever the samples are."""

    def __init__(self) -> None:
        self._next = Recognition()

    def say(self, committed: list[SourceWord], tail: list[SourceWord]) -> None:
        """Set what the next step says."""
        self._next = Recognition(tuple(committed), tuple(tail))

    def feed(self, samples: Samples) -> Recognition:
        """Say it."""
        heard, self._next = self._next, Recognition(tail=self._next.tail)
        return heard

    def finish(self) -> Recognition:
        """Say it, and forget the tail."""
        heard, self._next = self._next, Recognition()
        return Recognition(heard.committed)


@dataclass(slots=True)
class _Open:
    """The client's open utterance.

    Attributes
    ----------
    number
        The client's; None until its first update.
    first
        Source words of the stream before it.
    text
        Everything accepted.
    shown
        Text sent.
    """

    number: int | None = None
    first: int = 0
    text: str = ""
    shown: str = ""


class TextSession:
    """Translates the updates of one client.

    An utterance is the client's: what the session closes within it stays inside. Text is only
    ever added, also by the final answer and also after an engine has failed.

    Parameters
    ----------
    interpreter
        Opens the session.
    init
        The client's first message.
    doing
        Entered around every bit of work inside an engine.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        init: Init,
        doing: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._doing = doing
        self._interpreter = interpreter
        self._init = init
        self._samples = 0
        self._end = 0.0
        self._over = -1
        self._past = Past(_before(init))
        accepted = init.accepted.lstrip()
        self._open = _Open(text=accepted, shown=accepted)
        self._session: Session | None = self._opened()

    def close(self) -> None:
        """Free what is kept for this client."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def greeting(self) -> dict[str, Any]:
        """Return the answer to the first message."""
        return {
            "type": "init_ok",
            "protocol_version": VERSION,
            "direction": str(self._init.pair),
            "preset": self._init.preset or self._init.latency,
            "model": self._interpreter.name,
            "ignored_overrides": list(self._init.overrides.ignored),
            **({"notices": list(self._init.told)} if self._init.told else {}),
        }

    def check(self, update: Update) -> None:
        """Raise BadState for an update of an utterance that is not open."""
        open_, asked = self._open.number, update.utterance
        if open_ is not None and asked != open_:
            raise BadState(f"Utterance {open_} is open; end it with 'is_final' before {asked}.")
        if asked <= self._over:
            raise BadState(f"Utterance {asked} is closed; go on with {self._over + 1}.")

    def answer(self, update: Update) -> dict[str, Any]:
        """Translate an update.

        Raises
        ------
        BadState
            If its utterance is not open.
        Exception
            Whatever the engine raises; the session is then as before the update.
        """
        self.check(update)
        before, self._open.number = self._open.number, update.utterance
        source = self._init.pair.source
        words = update.in_words(source, update.final)
        forced = len(words.words) > MOST_WORDS and not update.final
        try:
            final = update.final or forced
            events = self._step(update.in_words(source, final), final)
        except Exception:
            self._open.number = before
            self.close()  # the next update opens a session that stands where this one stood
            raise
        buffer = ""
        reason = ""
        for event in events:
            self._take(event)
            if isinstance(event, Preview):
                buffer, reason = event.text, event.reason
        return self._translation(update, forced, buffer, reason)

    def _step(self, update: Update, final: bool) -> list[Event]:
        clock = max(self._samples / SAMPLE_RATE, update.clock)
        fresh = placed(update, self._past.heard - self._open.first, self._end, clock)
        clock = max([clock, *(word.end for word in fresh)])
        committed = fresh if final else self._settled(fresh, clock)
        tail = [*fresh[len(committed) :], *(SourceWord(word, clock, clock) for word in update.tail)]
        samples = round(clock * SAMPLE_RATE)
        self._session = session = self._session or self._opened()
        self._words.say(committed, [] if final else tail)
        if final:
            session.transcript.samples = samples
            events = list(self._each(session.flush()))
        else:
            silence = np.broadcast_to(np.float32(0), samples - self._samples)
            events = list(self._each(session.feed(silence)))
        self._samples = samples
        self._end = committed[-1].end if committed else self._end
        return events

    def _each(self, events: Iterator[Event]) -> Iterator[Event]:
        """Yield events; each is a bit of work by itself, however long the update is."""
        while True:
            with self._doing():
                event = next(events, None)
            if event is None:
                return
            yield event

    def _settled(self, words: list[SourceWord], clock: float) -> list[SourceWord]:
        """The words up to the first that ends in the inaccessible stretch before the clock."""
        limit = clock - self._init.overrides.inaccessible_ms / 1000
        late = (index for index, word in enumerate(words) if word.end > limit)
        return words[: next(late, len(words))]

    def _take(self, event: Event) -> None:
        record: Settled | Commit | Close
        if isinstance(event, Source):
            record = Settled(self._past.fresh(event), self._samples)
        elif isinstance(event, Commit | Close):
            record = event
        else:
            return
        self._past = fold(self._past, record, self._init.pair.target)
        if isinstance(record, Commit):
            self._open.text = (self._open.text + record.text).lstrip()

    def _translation(
        self, update: Update, forced: bool, buffer: str, reason: str
    ) -> dict[str, Any]:
        final = update.final or forced
        before, now = self._open.shown, self._open
        now.shown = now.text if final else self._visible(now.text, before)
        held = now.text[len(now.shown) :].strip()
        covered = max(0, self._past.reached - now.first)
        if final:
            self._over = update.utterance
            self._open = _Open(first=self._past.heard)
        return {
            "type": "translation",
            "seq": update.seq,
            "utterance_id": update.utterance,
            "final": final,
            "committed_text": now.shown,
            "committed_delta": now.shown[len(before) :],
            "buffer_text": "" if final else " ".join(filter(None, (held, buffer))),
            "covered_source_units": update.given(covered, self._init.pair.source) or None,
            "stop_reason": reason,
            **({"forced_final": forced} if final else {}),
        }

    def _visible(self, text: str, before: str) -> str:
        """What may be shown of the accepted text while the utterance is open."""
        overrides, language = self._init.overrides, self._init.pair.target
        spans = unit_spans(text, language)
        kept = spans[: len(spans) - overrides.hold_back]
        shown = text[: kept[-1][1]] if kept else ""
        fresh = len(kept) - len(unit_spans(before, language))
        return shown if len(shown) > len(before) and fresh >= overrides.min_emit else before

    def _opened(self) -> Session:
        """Open a session that stands where this one stands."""
        init = self._init
        self._words = WordFeed()
        with self._doing():
            session = self._interpreter.open(
                init.pair,
                init.latency,
                context=Context(notes=init.context) if init.context else None,
                recognizer=self._words,
                settings=init.overrides.settings,
            )
        session.restore(self._past.standing, 0)
        session.transcript.samples = self._samples
        return session


def _before(init: Init) -> Standing:
    """Where a client's stream stands when it connects."""
    history = tuple(Closed(source, target) for source, target in init.history)
    said = init.accepted.strip() != ""
    return Standing(pieces=(Piece(init.accepted, -1),) if said else (), history=history, said=said)
