"""A streamed talk replayed through sessions: what a chunk costs, alone, for long, in a crowd."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from statistics import mean, median

import numpy as np

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.bench.measure import resident_mb
from alignatt4llm.draft import Draft, Judge
from alignatt4llm.events import Commit, SourceWord
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.prompts.prompt import Prompt
from alignatt4llm.recognizers.heard import HeardTextRecognizer
from alignatt4llm.recognizers.timed import read_timed_text
from alignatt4llm.session import Session
from alignatt4llm.settings.latency import Latency
from alignatt4llm.text.languages import LANGUAGES, Pair
from alignatt4llm.translators.base import Drafter, Stepping


@dataclass(frozen=True, slots=True)
class Bench:
    """What all replays share."""

    translator: Stepping
    pair: Pair
    heads: HeadSet
    latency: Latency


@dataclass(slots=True)
class Replay:
    """A replayed stream: each chunk's seconds of drafting, megabytes after it, what was said."""

    chunks: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    text: str = ""


class _Watched:
    """A drafter whose time is written down, and its prompts if there is a list for them."""

    def __init__(self, drafter: Drafter, prompts: list[Prompt] | None) -> None:
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
        if self._prompts is not None:
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


def repeated(words: Sequence[SourceWord], period: float, times: int) -> list[SourceWord]:
    """Return the words again and again, every ``period`` seconds."""
    moves = (period * n for n in range(times))
    return [replace(w, start=w.start + by, end=w.end + by) for by in moves for w in words]


def replay(
    bench: Bench, words: Sequence[SourceWord], prompts: list[Prompt] | None = None
) -> Replay:
    """Run a session over timed text as fast as it goes; its prompts are added to the list."""
    drafter = _Watched(bench.translator.open(bench.pair, bench.heads), prompts)
    session = Session(
        HeardTextRecognizer(words, bench.latency.hold_back),
        drafter,
        AlignAtt(bench.heads, bench.latency.policy),
        bench.translator.prompt_form(bench.pair),
        bench.pair,
        bench.latency.session,
    )
    done = Replay()
    silence = np.zeros(round(bench.latency.chunk * SAMPLE_RATE), np.float32)
    steps = (session.feed(silence) for _ in range(int(words[-1].end / bench.latency.chunk) + 1))
    for events in steps:
        before = drafter.seconds
        done.text += "".join(event.text for event in events if isinstance(event, Commit))
        done.chunks.append(drafter.seconds - before)
        done.memory.append(resident_mb())
    done.text += "".join(event.text for event in session.finish() if isinstance(event, Commit))
    return done


def first_and_last_tenth(figures: Sequence[float]) -> tuple[float, float]:
    """Return the means at the beginning of a stream and at its end."""
    tenth = max(1, len(figures) // 10)
    return mean(figures[:tenth]), mean(figures[-tenth:])


@dataclass(frozen=True, slots=True)
class Crowd:
    """Sessions run together against the same run one after another.

    Attributes
    ----------
    together_over_in_turn
        Throughput.
    chunk_over_share
        Largest ratio, over streams, of the median time of a chunk together to the number of
        streams times its median alone.
    same_text
        Share of streams that said the same.
    """

    together_over_in_turn: float
    chunk_over_share: float
    same_text: float


def crowd(bench: Bench, streams: Sequence[Sequence[SourceWord]]) -> Crowd:
    """Run streams in turn, then together."""
    begin = time.perf_counter()
    alone = [replay(bench, words) for words in streams]
    middle = time.perf_counter()
    with ThreadPoolExecutor(len(streams)) as pool:
        together = list(pool.map(lambda words: replay(bench, words), streams))
    end = time.perf_counter()
    shares = [
        median(filter(None, crowded.chunks)) / (len(streams) * median(filter(None, solo.chunks)))
        for solo, crowded in zip(alone, together, strict=True)
    ]
    same = [solo.text == other.text for solo, other in zip(alone, together, strict=True)]
    return Crowd((middle - begin) / (end - middle), max(shares), sum(same) / len(same))
