"""How fast a model is here: with how many threads, and whether guessing pays."""

import time
from dataclasses import dataclass
from statistics import median

from alignatt4llm.machine.threads import available_cpus, candidates, chosen_threads, fastest
from alignatt4llm.translators.llamacpp.context import LlamaContext
from alignatt4llm.translators.llamacpp.feed import Feed
from alignatt4llm.translators.llamacpp.slots import Stream

_ROUNDS = 3
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
    threads
        CPU threads.
    guess
        How many tokens of the last draft are verified in a pass.
    step
        Milliseconds that a token takes.
    """

    threads: int
    guess: int
    step: float


def fit(context: LlamaContext, threads: int = 0) -> Pace:
    """Measure a model and set its threads; takes a second or so.

    Parameters
    ----------
    context
        The model.
    threads
        CPU threads; by default ``ALIGNATT_THREADS``, or else the number that is fastest.
    """
    stream = context.stream()
    context.run([Feed(stream, range(_LENGTH), asks=False)])
    given = threads or chosen_threads()
    tried = [given] if given else candidates(available_cpus())
    taken = {count: _milliseconds(context, stream, 1, count) for count in tried}
    best = fastest(taken)
    verified = _milliseconds(context, stream, 1 + GUESS, best)
    context.free(stream)
    return Pace(best, GUESS if verified < _WORTH * taken[best] else 0, taken[best])


def _milliseconds(context: LlamaContext, stream: Stream, tokens: int, threads: int) -> float:
    """Return the median time of a pass over so many tokens; the first wakes threads."""
    context.set_threads(threads)
    taken = []
    for _ in range(1 + _ROUNDS):
        begin = time.perf_counter()
        context.run([Feed(stream, range(_LENGTH), tokens)])
        taken.append(1000 * (time.perf_counter() - begin))
    return median(taken[1:])
