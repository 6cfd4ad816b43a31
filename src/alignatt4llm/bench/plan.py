"""What is measured in which order, how often, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf

from alignatt4llm.bench.figures import DRAFT, FIGURES, PASSES, PREFILL, STREAMS
from alignatt4llm.bench.streamed import chunks, crowded, repeated, talk

SAMPLED = 12
"""Prompts of the streamed talk that are drafted from scratch."""
LOAD = 300.0
"""About as many decode steps loading a model takes."""
CHUNK = 8.0
"""The same of a chunk."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that is measured, in turns.

    Attributes
    ----------
    name
        A key of `trial.MEASUREMENTS`.
    title
        What users are told.
    figures
        Which figures come of it.
    steps
        About as many decode steps a turn takes.
    turns
        How many at most.
    seconds
        No more turns are begun when systems have had so many seconds on average.
    """

    name: str
    title: str
    figures: tuple[str, ...]
    steps: float
    turns: int = 1
    seconds: float = inf

    def times(self, turns: int, seconds: float = inf) -> "Item":
        """Return it with so many turns."""
        return replace(self, turns=turns, seconds=seconds)


STEPS = Item("steps", "decode steps", ("step_ms", "capture_overhead", "step_over_floor"), 8)
_EACH = tuple(f"pass_{n}_ms" for n in PASSES)
SEVERAL = Item("passes", f"passes of {min(PASSES)} to {max(PASSES)} tokens", _EACH, 24)
PROMPT = Item("prefill", f"a prompt of {PREFILL} tokens", ("prefill_ms",), 60)
TALK = Item(
    "talk",
    "the talk",
    (
        "chunk_ms",
        "peak_memory_mb",
        "passes_per_chunk",
        "tokens_per_chunk",
        "decode_steps_per_committed_token",
    ),
    CHUNK,
)
LIBRARY = Item("library", "the library alone", ("library_step_ms", "step_over_library"), 8)
SCRATCH = Item(
    "scratch",
    "drafts from scratch",
    ("scratch_over_chunk", "library_over_chunk", "exact_over_chunk"),
    6 * DRAFT,
)
ROWS = Item("rows", "rows", ("row_error",), 60)
LONG = Item("long", "a long stream", ("last_over_first_tenth", "memory_growth_mb"), CHUNK)
CROWD = Item(
    "crowd",
    f"{STREAMS} streams, in turn and together",
    ("together_over_in_turn", "chunk_over_share", "same_text"),
    CHUNK,
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Items that are measured in the same processes, loaded for some number of streams."""

    items: tuple[Item, ...]
    streams: int = 1

    @property
    def steps(self) -> float:
        """About as many decode steps all of it takes, loading included."""
        return LOAD + sum(item.turns * item.steps for item in self.items)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is measured, and why the rest is not.

    Attributes
    ----------
    stages
        What is measured.
    minutes
        Length of the long stream, if there is one.
    left_out
        Reasons, by the figure's name.
    """

    stages: tuple[Stage, ...]
    minutes: float = 0.0
    left_out: Mapping[str, str] = field(default_factory=dict)


def whole(chunk: float, minutes: float, repeats: int) -> Plan:
    """Measure everything.

    Parameters
    ----------
    chunk
        Seconds of audio a step of a stream.
    minutes
        Length of the long stream.
    repeats
        Turns of what is short.
    """
    alone = Stage(
        (
            *(item.times(repeats) for item in (STEPS, SEVERAL, PROMPT)),
            TALK.times(chunks(talk(), chunk)),
            LIBRARY.times(repeats),
            SCRATCH.times(SAMPLED),
            ROWS,
            LONG.times(chunks(repeated(minutes), chunk)),
        )
    )
    stretch = chunks(crowded(STREAMS)[0], chunk)
    crowd = replace(CROWD, turns=STREAMS + 1, steps=CHUNK * stretch)
    return Plan((alone, Stage((crowd,), STREAMS)), minutes)


def quick() -> Plan:
    """Measure what two minutes suffice for."""
    items = (
        STEPS.times(4, 10),
        SEVERAL.times(3, 12),
        PROMPT.times(2, 12),
        TALK.times(40, 35),
        LIBRARY.times(3, 12),
    )
    measured = {name for item in items for name in item.figures}
    return Plan((Stage(items),), left_out={n: "--quick" for n in FIGURES if n not in measured})
