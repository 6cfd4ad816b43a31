"""One system under measurement, in this process."""

from collections.abc import Callable
from dataclasses import dataclass

from alignatt4llm.bench.crowd import Crowd
from alignatt4llm.bench.figures import STREAMS, Figures
from alignatt4llm.bench.measurements import (
    Beside,
    Long,
    Measurement,
    Passes,
    Prefill,
    RowError,
    Scratch,
    Steps,
    Talk,
)
from alignatt4llm.bench.plan import SAMPLED
from alignatt4llm.bench.streamed import Bench, crowded, repeated, talk
from alignatt4llm.bench.yardsticks import find_yardsticks
from alignatt4llm.errors import Tell, UsageError, silent
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Stepping


@dataclass(frozen=True, slots=True)
class Tried:
    """What is measured: a system, and how it is used.

    Attributes
    ----------
    system
        The models and the engine.
    pair, latency
        As for ``alignatt translate``.
    minutes
        Length of the long stream.
    streams
        How many streams the model is loaded for.
    """

    system: System
    pair: Pair
    latency: str
    minutes: float
    streams: int = 1

    @property
    def name(self) -> str:
        """Engine and model."""
        return f"{self.system.engine} {self.system.model}"


class Trial:
    """A loaded system, and the measurement that it is in.

    Parameters
    ----------
    tried
        What is measured.
    tell
        Is told what is being prepared, when that takes long.

    Attributes
    ----------
    facts
        How the model runs.
    left_out
        Why some figures do not apply to it.

    Raises
    ------
    AlignattError
        If it cannot be loaded, or its engine cannot be stepped.
    """

    def __init__(self, tried: Tried, tell: Tell = silent) -> None:
        interpreter = Interpreter(tried.system, tell, streams=tried.streams)
        translator, heads = interpreter.translator, interpreter.heads(tried.pair)
        if not isinstance(translator, Stepping):
            raise UsageError(f"'{tried.name}' cannot be stepped pass by pass; take another model.")
        self.tried = tried
        self.bench = Bench(translator, tried.pair, heads, LATENCIES[tried.latency])
        self.yardsticks = find_yardsticks(tried.system.engine, interpreter, heads)
        self.facts, self.left_out = dict(self.yardsticks.facts), dict(self.yardsticks.left_out)
        self.talk: Talk | None = None
        self._running: Measurement | None = None

    def begin(self, name: str) -> None:
        """Get ready for a measurement."""
        self._running = MEASUREMENTS[name](self)

    def turn(self) -> bool:
        """Do a piece of it; return whether there is more to do."""
        assert self._running
        return self._running.turn()

    def end(self) -> Figures:
        """Return what was found."""
        assert self._running
        found, self._running = self._running.figures(), None
        return found


def _talk(trial: Trial) -> Talk:
    trial.talk = Talk(trial.bench, talk())
    return trial.talk


def _scratch(trial: Trial) -> Scratch:
    assert trial.talk
    return Scratch(trial.bench, trial.yardsticks, trial.talk, SAMPLED)


def _row_error(trial: Trial) -> RowError:
    assert trial.yardsticks.exact
    return RowError(trial.bench, trial.yardsticks.exact)


MEASUREMENTS: dict[str, Callable[[Trial], Measurement]] = {
    "steps": lambda trial: Steps(trial.bench, trial.yardsticks.floor),
    "passes": lambda trial: Passes(trial.bench),
    "prefill": lambda trial: Prefill(trial.bench),
    "talk": _talk,
    "library": lambda trial: Beside(trial.bench, trial.yardsticks),
    "scratch": _scratch,
    "rows": _row_error,
    "long": lambda trial: Long(trial.bench, repeated(trial.tried.minutes)),
    "crowd": lambda trial: Crowd(trial.bench, crowded(STREAMS)),
}
"""By the name of the plan's item."""
