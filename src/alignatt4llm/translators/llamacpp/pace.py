"""How fast a model is here: with how many threads, and whether guessing pays."""

import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from statistics import median

from alignatt4llm.files.kept import keep, kept
from alignatt4llm.machine.live import machine
from alignatt4llm.machine.threads import available_cpus, candidates, chosen_threads, fastest
from alignatt4llm.translators.llamacpp.context import LlamaContext
from alignatt4llm.translators.llamacpp.feed import Feed
from alignatt4llm.translators.llamacpp.slots import Stream
from alignatt4llm.weights.cache import cache_root

FILE = "paces.json"
"""What was measured, in the folder of the cache."""
_ROUNDS = 2
_LENGTH = 32
"""Tokens that stand before the ones that are measured."""
GUESS = 4
"""Tokens of the last draft that are verified in a pass, where that pays."""
_WORTH = 2.5
"""Steps that verifying them may take; about as many are saved, and the rest is in vain."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What suits a model here.

    Attributes
    ----------
    threads, together
        CPU threads for a pass over one token, and over several.
    guess
        How many tokens of the last draft are verified in a pass.
    step
        Milliseconds that a token takes.
    """

    threads: int
    together: int
    guess: int
    step: float


def fit(context: LlamaContext, threads: int = 0) -> Pace:
    """Set a model's threads as it was measured here once; that takes a second or so.

    Parameters
    ----------
    context
        The model.
    threads
        CPU threads, if they shall not be chosen.
    """
    name = _name(context)
    pace = None if threads else _known(name)
    if pace is None:
        pace = measure(context, threads)
        if not threads:
            keep(cache_root() / FILE, name, asdict(pace))
    context.set_threads(pace.threads, pace.together)
    return pace


def _name(context: LlamaContext) -> str:
    """Name what a pace depends on: computer, weights, library, and what a GPU computes of them."""
    file, given = context.file, context.gpu_layers
    layers = "" if given is None else f", {given} layers on a GPU"
    return f"{machine()}; {file.name}, {file.stat().st_size}; {context.library.name}{layers}"


def _known(name: str) -> Pace | None:
    with suppress(KeyError, TypeError):
        return Pace(**kept(cache_root() / FILE)[name])
    return None


def measure(context: LlamaContext, threads: int = 0) -> Pace:
    """Measure with how many threads a model is fastest, and what verifying tokens costs.

    One token waits for memory, where more threads may only get in each other's way; several give
    each thread more to do.

    Parameters
    ----------
    context
        The model.
    threads
        CPU threads; by default ``ALIGNATT_THREADS``, or else the numbers that are fastest.
    """
    stream = context.stream()
    context.run([Feed(stream, range(_LENGTH), asks=False)])
    given = threads or chosen_threads()
    tried = [given] if given else candidates(available_cpus())
    one = {count: _milliseconds(context, stream, 1, count) for count in tried}
    several = {count: _milliseconds(context, stream, 1 + GUESS, count) for count in tried}
    context.free(stream)
    best, together = fastest(one), fastest(several)
    guess = GUESS if several[together] < _WORTH * one[best] else 0
    return Pace(best, together, guess, one[best])


def _milliseconds(context: LlamaContext, stream: Stream, tokens: int, threads: int) -> float:
    """Return the median time of a pass over so many tokens; the first wakes threads."""
    context.set_threads(threads, threads)
    taken = []
    for _ in range(1 + _ROUNDS):
        begin = time.perf_counter()
        context.run([Feed(stream, range(_LENGTH), tokens)])
        taken.append(1000 * (time.perf_counter() - begin))
    return median(taken[1:])
