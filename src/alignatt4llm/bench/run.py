"""Systems side by side, their turns interleaved, so that noise falls on all alike."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from alignatt4llm.bench.figures import Figures, against
from alignatt4llm.bench.plan import LOAD, Item, Plan
from alignatt4llm.bench.trial import Tried
from alignatt4llm.bench.worker import Worker
from alignatt4llm.errors import Tell

QUIET = 15.0
"""Seconds after which it is told again how far the work is."""


class Measured(Protocol):
    """What a system is measured by: a `Worker`, or what does the same."""

    facts: dict[str, Any]
    left_out: dict[str, str]

    def begin(self, name: str) -> None:
        """Get ready for a measurement."""
        ...

    def turn(self) -> bool:
        """Do a piece of it; return whether there is more to do."""
        ...

    def end(self) -> Figures:
        """Return what was found."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


Start = Callable[[Tried, Tell], Measured]


@dataclass(slots=True)
class Found:
    """What was found of a system.

    Attributes
    ----------
    engine, model
        The system.
    figures
        By name, as in `FIGURES`.
    left_out
        Why figures are missing, by their names.
    facts
        How the model runs.
    """

    engine: str
    model: str
    figures: Figures = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def run(tried: Sequence[Tried], plan: Plan, tell: Tell, start: Start = Worker) -> list[Found]:
    """Measure systems.

    Parameters
    ----------
    tried
        The systems.
    plan
        What is measured.
    tell
        Is told what is being measured, and how long the rest will take.
    start
        Loads a system.

    Returns
    -------
    list[Found]
        In the order of the systems.

    Raises
    ------
    AlignattError
        If one cannot be loaded or measured.
    """
    found = [
        Found(each.system.engine, each.system.model, left_out=dict(plan.left_out)) for each in tried
    ]
    progress = Progress(plan, tell)
    for stage in plan.stages:
        progress.begin("loading", LOAD)
        with _loaded(tried, stage.streams, tell, start) as systems:
            for system, result in zip(systems, found, strict=True):
                result.facts |= system.facts
                result.left_out |= system.left_out
            for item in stage.items:
                progress.begin(item.title, item.turns * item.steps)
                _measure(item, list(zip(systems, found, strict=True)), progress)
    return found


def ratios(found: Sequence[Found]) -> dict[str, dict[str, Figures]]:
    """Return, by model and engine, the times and memory as shares of the model's first engine's."""
    first: dict[str, Found] = {}
    compared: dict[str, dict[str, Figures]] = {}
    for each in found:
        one = first.setdefault(each.model, each)
        if one is not each:
            shares = against(each.figures, one.figures)
            compared.setdefault(each.model, {})[each.engine] = shares
    return compared


@contextmanager
def _loaded(
    tried: Sequence[Tried], streams: int, tell: Tell, start: Start
) -> Iterator[list[Measured]]:
    """Load systems one after the other; free them in the end."""
    with ExitStack() as stack:
        systems = []
        for each in tried:
            systems.append(start(replace(each, streams=streams), tell))
            stack.callback(systems[-1].close)
        yield systems


def _measure(item: Item, systems: Sequence[tuple[Measured, Found]], progress: "Progress") -> None:
    """Measure an item in all systems to which it applies, turn by turn."""
    able = [each for each in systems if not {*item.figures} <= {*each[1].left_out}]
    begin = time.monotonic()
    for system, _ in able:
        system.begin(item.name)
    for turn in range(item.turns if able else 0):
        more = [system.turn() for system, _ in able]
        progress.at((turn + 1) / item.turns)
        if not all(more) or time.monotonic() - begin >= item.seconds * len(able):
            break
    for system, result in able:
        result.figures |= system.end()


class Progress:
    """Tells what is being measured, and about how long the rest will take.

    Parameters
    ----------
    plan
        All that will be measured.
    tell
        Is told.
    now
        A clock in seconds.
    """

    def __init__(self, plan: Plan, tell: Tell, now: Callable[[], float] = time.monotonic) -> None:
        self._count = sum(1 + len(stage.items) for stage in plan.stages)
        self._total = sum(stage.steps for stage in plan.stages)
        self._tell, self._now = tell, now
        self._began = self._told = now()
        self._number, self._title = 0, ""
        self._done = self._steps = 0.0

    def begin(self, title: str, steps: float) -> None:
        """Tell what is next, and take as done what was before."""
        self._done += self._steps
        self._number, self._title, self._steps = self._number + 1, title, steps
        self._say(title, self._done)

    def at(self, share: float) -> None:
        """Take a share of it as done, and tell so if nothing has been told for a while."""
        if self._now() - self._told >= QUIET:
            self._say(f"{self._title}, {share:.0%}", self._done + share * self._steps)

    def _say(self, title: str, done: float) -> None:
        self._told = self._now()
        elapsed = self._told - self._began
        left = f"; {_about(elapsed * (self._total / done - 1))} left" if done else ""
        self._tell(f"{self._number} of {self._count}, {title}{left}")


def _about(seconds: float) -> str:
    """Return a time as one says it."""
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {seconds:.0f} s"
