"""A streamed talk replayed through sessions: what a chunk costs, alone, for long, in a crowd."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from statistics import mean

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.bench.measure import resident_mb
from alignatt4llm.draft import Draft, Judge
from alignatt4llm.events import Commit, Event, SourceWord
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.prompts.prompt import Prompt
from alignatt4llm.recognizers.heard import HeardTextRecognizer
from alignatt4llm.recognizers.timed import read_timed_text
from alignatt4llm.session import Session
from alignatt4llm.settings.latency import Latency
from alignatt4llm.text.languages import LANGUAGES, Pair
from alignatt4llm.translators.base import Drafter, Stepping

EXCERPT = 60.0
"""Seconds of the talk that a long stream repeats."""
EACH = 30.0
"""Seconds of the talk that a stream of a crowd has."""
OFFSET = 20.0
"""Seconds between the beginnings of a crowd's streams in the talk."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all replays share."""

    translator: Stepping
    pair: Pair
    heads: HeadSet
    latency: Latency


class _Watched:
    """A drafter whose time and prompts are written down."""

    def __init__(self, drafter: Drafter, prompts: list[Prompt]) -> None:
        self._drafter = drafter
        self._prompts = prompts
        self.seconds = 0.0

    def draft(
        self,
        prompt: Prompt,
        budget: int,
        judge: Judge | None = None,
        guess: Sequence[int] = (),
    ) -> Draft:
        """Draft and take the time."""
        begin = time.perf_counter()
        draft = self._drafter.draft(prompt, budget, judge, guess)
        self.seconds += time.perf_counter() - begin
        self._prompts.append(prompt)
        return draft

    def close(self) -> None:
        """Pass it on."""
        self._drafter.close()


def talk() -> list[SourceWord]:
    """Return the timed text of a real recording: 222 s of LJ Speech."""
    return read_timed_text(
        Path(str(resources.files("alignatt4llm.bench"))) / "talk.json", LANGUAGES["en"]
    )


def excerpt(words: Sequence[SourceWord], begin: float, seconds: float) -> list[SourceWord]:
    """Return the words of a stretch, moved to the beginning of the clock."""
    kept = (word for word in words if begin <= word.start and word.end <= begin + seconds)
    return [replace(word, start=word.start - begin, end=word.end - begin) for word in kept]


def repeated(minutes: float) -> list[SourceWord]:
    """Return the talk's beginning again and again, for so long."""
    words = excerpt(talk(), 0.0, EXCERPT)
    moves = (EXCERPT * n for n in range(round(60 * minutes / EXCERPT)))
    return [replace(w, start=w.start + by, end=w.end + by) for by in moves for w in words]


def crowded(streams: int) -> list[list[SourceWord]]:
    """Return stretches of the talk, a stream each."""
    return [excerpt(talk(), OFFSET * n, EACH) for n in range(streams)]


class Replay:
    """A session over timed text, which is run as fast as it goes.

    Parameters
    ----------
    bench
        What all replays share.
    words
        The timed text.

    Attributes
    ----------
    chunks
        Seconds of drafting in each chunk so far.
    memory
        Megabytes of this process after each.
    prompts
        What was asked.
    text
        What was said.
    """

    def __init__(self, bench: Bench, words: Sequence[SourceWord]) -> None:
        self.chunks: list[float] = []
        self.memory: list[float] = []
        self.prompts: list[Prompt] = []
        self.text = ""
        drafter = bench.translator.open(bench.pair, bench.heads)
        self._drafter = _Watched(drafter, self.prompts)
        self._session = Session(
            HeardTextRecognizer(words, bench.latency.hold_back),
            self._drafter,
            AlignAtt(bench.heads, bench.latency.policy),
            bench.translator.prompt_form(bench.pair),
            bench.pair,
            bench.latency.session,
        )
        self._count = chunks(words, bench.latency.chunk)
        self._silence = np.zeros(round(bench.latency.chunk * SAMPLE_RATE), np.float32)

    def turn(self) -> bool:
        """Run a chunk and return whether there are more."""
        before = self._drafter.seconds
        self._say(self._session.feed(self._silence))
        self.chunks.append(self._drafter.seconds - before)
        self.memory.append(resident_mb())
        return len(self.chunks) < self._count

    def end(self) -> None:
        """End the stream; what has not been heard by then is translated too."""
        self._say(self._session.finish())

    def close(self) -> None:
        """Leave the stream where it is."""
        self._drafter.close()

    def _say(self, events: Iterable[Event]) -> None:
        self.text += "".join(event.text for event in events if isinstance(event, Commit))


def chunks(words: Sequence[SourceWord], chunk: float) -> int:
    """Return how many chunks of so many seconds hold the words."""
    return int(words[-1].end / chunk) + 1


def replay(bench: Bench, words: Sequence[SourceWord]) -> Replay:
    """Run a session over all of a timed text."""
    done = Replay(bench, words)
    while done.turn():
        pass
    done.end()
    return done


def first_and_last_tenth(figures: Sequence[float]) -> tuple[float, float]:
    """Return the means at the beginning of a stream and at its end."""
    tenth = max(1, len(figures) // 10)
    return mean(figures[:tenth]), mean(figures[-tenth:])
