"""What is measured of a system: one table of figures, and how figures of several compare."""

from collections.abc import Mapping
from dataclasses import dataclass

Figures = dict[str, float]
"""By name."""

STREAMS = 8
PASSES = (2, 4, 8, 16)
"""Tokens of a pass."""
PREFILL = 100
"""Tokens of the prompt that is read at once."""
DRAFT = 16
"""Tokens of a draft from scratch, as in the published system."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What a figure means.

    Attributes
    ----------
    meaning
        In a few words.
    unit
        ``ms`` or ``MB``, of what may be compared between systems; empty for what is a ratio within
        one.
    """

    meaning: str
    unit: str = ""


FIGURES = {
    "step_ms": Figure("a decode step", "ms"),
    **{f"pass_{n}_ms": Figure(f"a pass of {n} tokens", "ms") for n in PASSES},
    "prefill_ms": Figure(f"reading {PREFILL} tokens of a prompt", "ms"),
    "chunk_ms": Figure("a chunk of the talk", "ms"),
    "peak_memory_mb": Figure("peak memory, loading and one stream", "MB"),
    "library_step_ms": Figure("a decode step of the engine's library alone", "ms"),
    "capture_overhead": Figure("reading rows, against the same step without"),
    "step_over_library": Figure("a decode step with its rows, against the library alone"),
    "step_over_floor": Figure("a decode step, against reading the weights once"),
    "passes_per_chunk": Figure("passes a chunk"),
    "tokens_per_chunk": Figure("tokens fed a chunk"),
    "decode_steps_per_committed_token": Figure("tokens decoded one by one, per token said"),
    "scratch_over_chunk": Figure("drafts from scratch, against a session, per chunk"),
    "library_over_chunk": Figure("drafts of the library alone, from scratch, against a session"),
    "exact_over_chunk": Figure("its drafts with all attention weights, against a session"),
    "row_error": Figure("largest difference between a row and the library's own"),
    "last_over_first_tenth": Figure("a chunk at the end of the long stream, against the beginning"),
    "memory_growth_mb": Figure("megabytes at its end, more than at its beginning"),
    "together_over_in_turn": Figure(f"throughput of {STREAMS} streams together, against in turn"),
    "chunk_over_share": Figure("a chunk in that crowd, against its fair share of the time alone"),
    "same_text": Figure("share of streams that say in the crowd what they say alone"),
}
"""Every figure, in the order in which they are shown."""


def against(figures: Mapping[str, float], first: Mapping[str, float]) -> Figures:
    """Return times and memory of a system as shares of another's."""
    shared = (name for name, kind in FIGURES.items() if kind.unit)
    return {name: figures[name] / first[name] for name in shared if {name} <= {*figures} & {*first}}
