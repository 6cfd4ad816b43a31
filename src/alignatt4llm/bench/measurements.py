"""The measurements of one system, each a series of turns and the figures that come of them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from statistics import mean
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.bench.figures import DRAFT, PASSES, PREFILL, Figures
from alignatt4llm.bench.measure import Bursts, seconds
from alignatt4llm.bench.streamed import Bench, Replay, first_and_last_tenth
from alignatt4llm.bench.yardsticks import Yardsticks
from alignatt4llm.delays import peak_memory_mb
from alignatt4llm.events import SourceWord
from alignatt4llm.prompts.prompt import Prompt, source_columns
from alignatt4llm.translators.base import Lane, Stepping

SOURCE = (
    "We found that the new method is faster, but it needs more memory than the old one and it "
    "takes some time to"
)
ACCEPTED = "Wir haben festgestellt"
_STEPS = 3
"""Steps that are timed in a turn."""
_CHECKED = 4
"""Tokens of the draft whose rows are compared."""

Columns = NDArray[np.int64]


class Measurement(Protocol):
    """Something that is measured, in turns."""

    def turn(self) -> bool:
        """Do a piece of the work; return whether there is more to do."""
        ...

    def figures(self) -> Figures:
        """Return what has been found; no turn follows."""
        ...


def prompt_of(bench: Bench) -> tuple[list[int], Columns]:
    """Return the tokens of a prompt of middle length, and the positions of its source."""
    prompt = bench.translator.prompt_form(bench.pair)(SOURCE.split(), ACCEPTED, ())
    return encoded(bench.translator, prompt)


def encoded(translator: Stepping, prompt: Prompt) -> tuple[list[int], Columns]:
    """Return a prompt's tokens, and the positions of its source, shape [S]."""
    ids, offsets = translator.vocabulary.encode(prompt.text)
    return ids, source_columns(prompt, offsets)[0]


def draft(
    lane: Lane, ids: Sequence[int], budget: int, columns: Columns | None = None
) -> tuple[list[int], list[NDArray[np.float32]]]:
    """Draft so many tokens from scratch; return them, and the rows [1, H, S] that led to each."""
    lane.keep(0)
    said: list[int] = []
    rows = []
    for _ in range(budget):
        passed = lane.feed([*ids, *said], 1, columns)
        said.append(passed.best)
        if passed.rows is not None:
            rows.append(passed.rows)
    return said, rows


class Steps:
    """Decode steps with their rows and without, and reading the weights."""

    def __init__(self, bench: Bench, floor: Callable[[], float] | None) -> None:
        ids, columns = prompt_of(bench)
        self._lane, self._floor = bench.translator.lane(bench.heads.heads), floor
        rows, plain = partial(self._lane.feed, ids, 1, columns), partial(self._lane.feed, ids)
        self._bursts = Bursts({"rows": rows, "plain": plain}, _STEPS)
        self.turn = self._bursts.turn

    def figures(self) -> Figures:
        """Return the time of a step, and what its rows add."""
        self._lane.close()
        step = self._bursts.ms("rows")
        found = {"step_ms": step, "capture_overhead": self._bursts.ratio("rows", "plain")}
        floor = {"step_over_floor": step / (1000 * self._floor())} if self._floor else {}
        return found | floor


class Passes:
    """Passes of several tokens, as when what was held is verified."""

    def __init__(self, bench: Bench) -> None:
        ids, columns = prompt_of(bench)
        self._lane = bench.translator.lane(bench.heads.heads)
        arms = {f"pass_{n}_ms": partial(self._lane.feed, ids, n, columns) for n in PASSES}
        self._bursts = Bursts(arms)
        self.turn = self._bursts.turn

    def figures(self) -> Figures:
        """Return the times."""
        self._lane.close()
        return {name: self._bursts.ms(name) for name in self._bursts.taken}


class Prefill:
    """The beginning of a prompt, read at once."""

    def __init__(self, bench: Bench) -> None:
        ids, _ = prompt_of(bench)
        self._ids = (ids * PREFILL)[:PREFILL]
        self._lane = bench.translator.lane(bench.heads.heads)
        self._bursts = Bursts({"prefill_ms": self._read})
        self.turn = self._bursts.turn

    def _read(self) -> None:
        self._lane.keep(0)
        self._lane.feed(self._ids)

    def figures(self) -> Figures:
        """Return the time."""
        self._lane.close()
        return {"prefill_ms": self._bursts.ms("prefill_ms")}


class Talk:
    """The streamed talk, and the most memory so far."""

    def __init__(self, bench: Bench, words: Sequence[SourceWord]) -> None:
        self._bench, self.stream = bench, Replay(bench, words)
        self._before = asdict(bench.translator.stepper.counters)
        self.turn = self.stream.turn

    @property
    def chunk(self) -> float:
        """Mean seconds of a chunk."""
        return mean(self.stream.chunks)

    def figures(self) -> Figures:
        """Return what a chunk costs."""
        self.stream.close()
        after = asdict(self._bench.translator.stepper.counters)
        done = {name: count - self._before[name] for name, count in after.items()}
        said = self._bench.translator.vocabulary.encode(self.stream.text)[0]
        count = len(self.stream.chunks)
        return {
            "chunk_ms": 1000 * self.chunk,
            "peak_memory_mb": peak_memory_mb(),
            "passes_per_chunk": done["passes"] / count,
            "tokens_per_chunk": done["tokens"] / count,
            "decode_steps_per_committed_token": done["steps"] / max(1, len(said)),
        }


class Beside:
    """Decode steps beside those of the engine's library alone."""

    def __init__(self, bench: Bench, yardsticks: Yardsticks) -> None:
        ids, columns = prompt_of(bench)
        self._lanes = bench.translator.lane(bench.heads.heads), yardsticks.library()
        arms = (partial(lane.feed, ids, 1, columns) for lane in self._lanes)
        self._bursts = Bursts(dict(zip(("own", "library"), arms, strict=True)), _STEPS)
        self.turn = self._bursts.turn

    def figures(self) -> Figures:
        """Return the library's time, and the ratio."""
        for lane in self._lanes:
            lane.close()
        return {
            "library_step_ms": self._bursts.ms("library"),
            "step_over_library": self._bursts.ratio("own", "library"),
        }


class Scratch:
    """What a chunk of the talk would take if every new source was drafted from scratch."""

    def __init__(self, bench: Bench, yardsticks: Yardsticks, talk: Talk, sampled: int) -> None:
        self._bench, self._talk = bench, talk
        asked = talk.stream.prompts
        fresh = [asked[0], *(now for last, now in pairwise(asked) if now.words != last.words)]
        self._share = len(fresh) / len(talk.stream.chunks)
        self._left = fresh[:: max(1, len(fresh) // sampled)][:sampled]
        self._lanes = {
            "scratch_over_chunk": bench.translator.lane(bench.heads.heads),
            "library_over_chunk": yardsticks.library(),
        }
        if yardsticks.exact:
            self._lanes["exact_over_chunk"] = yardsticks.exact()
        self._taken: dict[str, list[float]] = {name: [] for name in self._lanes}

    def turn(self) -> bool:
        """Draft a prompt in every way."""
        ids, columns = encoded(self._bench.translator, self._left.pop(0))
        for name, lane in self._lanes.items():
            self._taken[name].append(seconds(partial(draft, lane, ids, DRAFT, columns)))
        return bool(self._left)

    def figures(self) -> Figures:
        """Return the times, as multiples of what a chunk has taken."""
        for lane in self._lanes.values():
            lane.close()
        return {n: self._share * mean(t) / self._talk.chunk for n, t in self._taken.items()}


class RowError:
    """Rows beside the library's own."""

    def __init__(self, bench: Bench, exact: Callable[[], Lane]) -> None:
        self._bench, self._exact = bench, exact
        self._error = 0.0

    def turn(self) -> bool:
        """Compare the rows of a draft."""
        ids, _ = prompt_of(self._bench)
        columns = np.arange(len(ids))
        lanes = self._bench.translator.lane(self._bench.heads.heads), self._exact()
        own, other = (np.array(draft(lane, ids, _CHECKED, columns)[1]) for lane in lanes)
        self._error = float(np.abs(own - other).max())
        for lane in lanes:
            lane.close()
        return False

    def figures(self) -> Figures:
        """Return the largest difference."""
        return {"row_error": self._error}


class Long:
    """A long stream."""

    def __init__(self, bench: Bench, words: Sequence[SourceWord]) -> None:
        self._stream = Replay(bench, words)
        self.turn = self._stream.turn

    def figures(self) -> Figures:
        """Compare its end with its beginning."""
        self._stream.close()
        early, late = first_and_last_tenth(self._stream.chunks)
        less, more = first_and_last_tenth(self._stream.memory)
        return {"last_over_first_tenth": late / early, "memory_growth_mb": more - less}
