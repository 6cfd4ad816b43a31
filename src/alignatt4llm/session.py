"""One stream, from audio to events: the loop that everything else serves."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

from alignatt4llm.audio.samples import Samples
from alignatt4llm.delays import Delays, peak_memory_mb
from alignatt4llm.draft import Draft, Judge, TokenEvidence
from alignatt4llm.errors import PromptTooLong, UsageError
from alignatt4llm.events import (
    Close,
    Commit,
    End,
    Event,
    Piece,
    Preview,
    Source,
    Trace,
)
from alignatt4llm.policy.accept import accept, accept_all, traced
from alignatt4llm.policy.base import COPIED, Policy, View
from alignatt4llm.prompts.context import Context, Shown
from alignatt4llm.prompts.prompt import Closed, PromptForm
from alignatt4llm.recognizers.base import Recognizer
from alignatt4llm.recognizers.shifted import Shifted
from alignatt4llm.schedule.streaming import Streaming
from alignatt4llm.stream import Standing
from alignatt4llm.target import Target, emitted, moved
from alignatt4llm.text.languages import Pair
from alignatt4llm.text.sentences import without_full_stop
from alignatt4llm.text.words import same
from alignatt4llm.transcript import Heard, Recognition, SourceSettings, Transcript
from alignatt4llm.translators.base import Drafter

MOST_HISTORY = 100
"""Closed utterances that may be shown to the model."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session may be told.

    Attributes
    ----------
    source
        When utterances close, and the margin.
    history
        Closed utterances shown to the model as context.
    budget
        Most tokens drafted per chunk while the utterance is open.
    unread
        Words left unread at which an utterance closes before them once the model has ended its
        translation: the target makes the full stop that the source does not. None for never.
    """

    source: SourceSettings = SourceSettings()
    history: int = 0
    budget: int = 24
    unread: int | None = 3

    def __post_init__(self) -> None:
        if not 0 <= self.history <= MOST_HISTORY:
            raise UsageError(
                f"history is {self.history}; it counts utterances, 0 to {MOST_HISTORY}."
            )
        if self.budget < 1:
            raise UsageError(f"budget is {self.budget}; it counts tokens, 1 or more.")
        if self.unread is not None and self.unread < 1:
            raise UsageError(f"unread is {self.unread}; it counts words, 1 or more.")


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of the last draft.

    Attributes
    ----------
    draft
        The rest of it; None if nothing is left that could be said as it is.
    view
        What it was decided in, what was then said included.
    final
        Whether drafting on would have brought nothing.
    """

    draft: Draft | None
    view: View
    final: bool

    def settled(self, view: View) -> bool:
        """Whether it stays held: it still fits, and no further word may be relied on."""
        unmoved = view.frontier == self.view.frontier
        return bool(self.draft) and self.final and unmoved and self.fits(view)

    def fits(self, view: View) -> bool:
        """Whether the words that it was made from are all still there."""
        before, now = self.view.words, view.words[: len(self.view.words)]
        return [*map(same, before)] == [*map(same, now)]

    def reusable(self, view: View) -> Draft | None:
        """Return what is held if only the frontier has moved since."""
        same = replace(self.view, frontier=view.frontier) == view
        return self.draft if same and self.final else None


class Session(Streaming):
    """Live translation of one stream; `stream` takes all of its audio, `feed` a chunk at a time.

    Parameters
    ----------
    recognizer, drafter, policy
        The parts of this stream.
    prompt
        Builds the prompt for the open utterance.
    pair
        Translation direction.
    settings
        Close rules, history and draft budget.
    now
        Wall clock in seconds.
    context
        What the model should know besides the speech.
    chunk
        Seconds of audio per step of `stream`.

    Attributes
    ----------
    transcript, target
        The open utterance, as heard and as said.
    spoken, to
        The language that is spoken, and the code of that which it says.
    stays
        Whether it goes on until its stream ends.

    Examples
    --------
    >>> session = interpreter.open("en-de")
    >>> events = list(session.stream("talk.mp4"))
    """

    stays = True

    def __init__(
        self,
        recognizer: Recognizer,
        drafter: Drafter,
        policy: Policy,
        prompt: PromptForm,
        pair: Pair,
        settings: SessionSettings = SessionSettings(),
        now: Callable[[], float] = time.monotonic,
        context: Context | None = None,
        chunk: float = 1.0,
    ) -> None:
        self.spoken, self.chunk = pair.source, chunk
        self._recognizer = recognizer
        self._drafter = drafter
        self._policy = policy
        self._prompt = prompt
        self._settings = settings
        self.transcript = Transcript(pair.source, settings.source)
        self.target = Target(pair.target)
        self.to = pair.target.code
        self._first = 0
        self._history: deque[Closed] = deque(maxlen=settings.history)
        self._utterance = 0
        self._delays = Delays(pair.target)
        self._now = now
        self._began = now()
        self._context = Shown(context or Context(), pair.source.separator)
        self._held: Held | None = None

    @property
    def targets(self) -> dict[str, "Session"]:
        """Itself, as the one target of its stream."""
        return {self.to: self}

    def feed(self, samples: Samples) -> Iterator[Event]:
        """Take the next chunk of audio and yield what follows from it."""
        yield from self.translate([self.listen(samples)])

    def listen(self, samples: Samples) -> Heard:
        """Recognise the next chunk; it may run while another thread is in `translate`."""
        return Heard(self._recognizer.feed(samples), len(samples))

    def translate(self, heard: Sequence[Heard]) -> Iterator[Event]:
        """Take in what was heard, in order, and yield what follows from all of it."""
        for step in heard:
            self.transcript.update(step.recognition, step.samples)
        yield from self._step()

    def finish(self, last: Recognition | None = None) -> Iterator[Event]:
        """Say that the stream has ended; everything pending is translated and committed.

        ``last`` is what the recogniser says at the end; by default it is asked.
        """
        yield from self.flush(last)
        self.close()
        yield self.end()

    def flush(self, last: Recognition | None = None) -> Iterator[Event]:
        """Commit everything pending as at the end; a recogniser that can may be fed again."""
        self.transcript.finish(self._recognizer.finish() if last is None else last)
        yield from self._step()
        self.transcript.ended = False

    def restore(self, standing: Standing, samples: int, delays: Delays | None = None) -> None:
        """Continue what another session began; call it before the first `feed`.

        Parameters
        ----------
        standing
            Where its stream stood.
        samples
            The first sample to be fed.
        delays
            When everything was said, for the account at the end.
        """
        self.target = Target(self.target.language, standing.pieces, standing.said)
        self.transcript.committed.extend(standing.heard)
        self.transcript.samples = samples
        self._history.extend(standing.history)
        self._context.close(standing.recent)
        self._utterance, self._first = standing.utterance, standing.first
        self._delays = delays or self._delays
        self._began = self._now() - standing.wall_s
        self._recognizer = Shifted(self._recognizer, samples)

    def close(self) -> None:
        """Free what the translator keeps for this stream."""
        self._drafter.close()

    def end(self) -> End:
        """Return the account of the stream so far."""
        audio, wall = self.transcript.clock, self._now() - self._began
        return End(
            audio_s=audio,
            wall_s=wall,
            rtf=wall / audio if audio else 0.0,
            peak_memory_mb=peak_memory_mb(),
            units=tuple(self._delays.units),
            delays=tuple(self._delays.delays),
            elapsed=tuple(self._delays.elapsed),
            to=self.to,
        )

    def _step(self) -> Iterator[Event]:
        heard = self.transcript
        words, tail = tuple(heard.committed), heard.tail
        yield Source(self._utterance, words, tail, heard.clock, self.to, self._first)
        while count := heard.closing(self.target.covered):
            yield from self._close(count)
        yield from self._translate()

    def _translate(self) -> Iterator[Event]:
        """Draft the open utterance and say what the policy lets through."""
        view = View(self._words(), self.transcript.accessible, self.target.accepted)
        if self._held and self._held.settled(view):
            return
        if not view.frontier or self._is_long_enough(len(view.words)):
            if self._held and not self._held.fits(view):
                self._held = None
                yield Preview("", self._utterance, "", self.to)
            return
        draft, evidence = self._decided(view)
        accepted = accept(draft, evidence, self.target.language)
        yield self._trace(draft, view.words, accepted.tokens)
        yield from self._say(accepted.pieces)
        held = draft.text[accepted.cut :].strip()
        yield Preview(held, self._utterance, accepted.reason, self.to)
        view = replace(view, accepted=self.target.accepted)
        rest = draft.beyond(accepted.cut)
        self._held = Held(rest, view, _is_final(draft, evidence))
        if rest and self._ends_early(rest, min(view.frontier, len(self.transcript.committed))):
            yield from self._close(self.target.covered + 1)
            yield from self._translate()

    def _decided(self, view: View) -> tuple[Draft, Sequence[TokenEvidence]]:
        """Return a draft and the decision on it: what is held, if that will do, or a new one."""
        if self._held and (held := self._held.reusable(view)):
            evidence = self._policy.decide(held, view)
            if _is_final(held, evidence):
                return held, evidence
        draft = self._ask(view, self._settings.budget, self._policy.judge(view))
        return draft, self._policy.decide(draft, view)

    def _close(self, count: int) -> Iterator[Event]:
        """End the utterance after ``count`` words, finishing its translation."""
        words = tuple(word.text for word in self.transcript.committed[:count])
        if not self.target.runs_ahead(count):
            read = yield from self._complete(words)
            if read < count:
                yield from self._close(read)
                return
        source = self.transcript.close(count)
        closed = Closed(self.spoken.separator.join(words), self.target.close(count))
        self._history.append(closed)
        self._context.close(words)
        self._held = None
        start, end, clock = source[0].start, source[-1].end, self.transcript.clock
        said = (closed.source, closed.target, start, end, clock, count, self.to)
        yield Close(self._utterance, *said)
        self._utterance += 1
        self._first += count

    def _complete(self, words: tuple[str, ...]) -> Generator[Event, None, int]:
        """Say what is missing of a translation; return how many of its words it has read.

        Where it runs away, what follows in the source is translated by itself.
        """
        count, language = len(words), self.target.language
        first = begun = 0  # word and character from which on it is translated
        skip, more, again = 1, True, False
        while more:
            rest, before = words[first:], self.target.accepted
            view = View(rest, len(rest), before[begun:].strip())
            try:
                draft = self._ask(view, min(160, 3 * len(rest) + 24))
            except PromptTooLong:
                if again:
                    break  # what has been said leaves no room to go on
                raise
            again = True
            if not first and self._ends_early(draft, count):
                return self.target.covered + 1
            said = accept_all(draft, self._policy.decide(draft, view), language)
            joint = language.separator if first and not view.accepted else None
            yield from self._say(moved(said, first, joint))
            stuck, self._held = self.target.accepted == before, None
            if draft.ran_away:
                step = skip if stuck else 1
                skip = 2 * step if stuck and first else 1
                first = max(first + step, self.target.covered + 1)
                begun = len(self.target.accepted)
                more = first < count
            else:
                more = not (draft.ended or stuck or self._is_long_enough(count))
        return count

    def _ends_early(self, rest: Draft, words: int) -> bool:
        """Whether the model has nothing to add although many of so many words are unread."""
        least = self._settings.unread
        if least is None or self.target.covered < 0 or words - 1 - self.target.covered < least:
            return False
        return rest.ended and not without_full_stop(rest.text, self.target.language).strip()

    def _ask(self, view: View, budget: int, judge: Judge | None = None) -> Draft:
        """Draft, forgetting the oldest history as long as the prompt is too long.

        What runs away of it is cut off.
        """
        context = self._context.block(view.words)
        held = self._held.draft if self._held else None
        guess = (*held.ids, *held.guess) if held else ()
        while True:
            prompt = self._prompt(view.words, view.accepted, tuple(self._history), context)
            try:
                draft = self._drafter.draft(prompt, budget, judge, guess)
            except PromptTooLong:
                if not self._history:
                    raise
                self._history.popleft()
            else:
                return draft.within(self.target.accepted, view.words, self.target.language)

    def _say(self, pieces: list[Piece]) -> Iterator[Event]:
        """Say the pieces."""
        text = self.target.extend(pieces)
        if text:
            audio, wall = self.transcript.clock, self._now() - self._began
            self._delays.add(text, audio, wall)
            covered, said = self.target.covered, emitted(pieces, text)
            yield Commit(text, self._utterance, audio, wall, covered, said, self.to)

    def _words(self) -> tuple[str, ...]:
        """The visible words; while the utterance is open its last one carries no full stop."""
        words = [word.text for word in self.transcript.visible]
        if words:
            words[-1] = without_full_stop(words[-1], self.spoken) or words[-1]
        return tuple(words)

    def _is_long_enough(self, words: int) -> bool:
        """Whether the accepted text is longer than any translation of so few words can be."""
        accepted = self.target.accepted
        return len(accepted.split()) > 3 * words + 8 or len(accepted) > 24 * words + 80

    def _trace(self, draft: Draft, words: tuple[str, ...], tokens: list[TokenEvidence]) -> Trace:
        frontier, shown = self.transcript.accessible, traced(draft, words, tokens)
        return Trace(self._utterance, frontier, shown, self.to)


def _is_final(draft: Draft, evidence: Sequence[TokenEvidence]) -> bool:
    """Whether drafting on would bring nothing: it has ended, or holds a token whatever follows."""
    return draft.over or any(token.hold not in ("", COPIED) for token in evidence)
