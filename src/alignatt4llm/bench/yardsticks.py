"""What an engine's speed is compared with: one table, a line for every engine that can be stepped.

An entry is a function ``(interpreter, heads) -> Yardsticks``. Nothing of it is imported before it
is asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.translators.base import Lane


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """What a model's passes are compared with in its engine.

    Attributes
    ----------
    library
        Starts a lane of the library alone, as fast as it comes, without rows.
    exact
        Starts one of the library with the rows that it gives by itself, if it can.
    floor
        Measures the seconds that reading the weights once takes, if that can be known.
    facts
        How the model runs: threads, hardware, type of its numbers, versions.
    left_out
        Why the figures that do not apply here do not, by their names.
    """

    library: Callable[[], Lane]
    exact: Callable[[], Lane] | None
    floor: Callable[[], float] | None
    facts: Mapping[str, Any]
    left_out: Mapping[str, str] = field(default_factory=dict)


_HERE = "alignatt4llm.bench"

YARDSTICKS = {
    "transformers": f"{_HERE}.beside_transformers:yardsticks",
    "llama.cpp": f"{_HERE}.beside_llamacpp:yardsticks",
}
"""By the engine's name."""


def find_yardsticks(engine: str, interpreter: Interpreter, heads: HeadSet) -> Yardsticks:
    """Return what a model in an engine of the table is compared with."""
    find: Callable[[Interpreter, HeadSet], Yardsticks] = resolve_name(YARDSTICKS[engine])
    return find(interpreter, heads)
