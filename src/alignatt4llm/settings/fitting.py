"""``auto``: of the models that come with the package, the best that this computer runs live."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from alignatt4llm.errors import AlignattError, Tell, silent
from alignatt4llm.machine.live import Option, Speed, choose
from alignatt4llm.settings.candidates import HERE, RANKED, Candidate
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.speeds import speed
from alignatt4llm.settings.system import System
from alignatt4llm.translators.table import AUTO, engine_name, find_engine
from alignatt4llm.weights.embedded import Embedded

MEDIUM = LATENCIES["medium"].chunk

Speeds = Callable[[Embedded, str, Tell], Speed | None]
"""Returns how fast a model is in an engine; None if that is not known."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What ``auto`` has become.

    Attributes
    ----------
    system
        With a model and an engine of their own.
    why
        What was chosen and why, in a sentence; empty if nothing was left open.
    """

    system: System
    why: str = ""


def fitted(
    system: System,
    chunk: float = MEDIUM,
    *,
    pairs: Collection[str] = (),
    live: bool = True,
    tell: Tell = silent,
) -> System:
    """Return a system of which nothing is ``auto``, and tell which model was chosen; see `fit`."""
    found = fit(system, chunk, pairs=pairs, live=live, tell=tell)
    if found.why:
        tell(found.why)
    return found.system


def fit(
    system: System,
    chunk: float = MEDIUM,
    *,
    pairs: Collection[str] = (),
    live: bool = True,
    speeds: Speeds = speed,
    tell: Tell = silent,
) -> Fit:
    """Choose a model and the engine that runs it, where a system leaves them open.

    Models are considered that are installed, translate what is asked for, and need no conversion
    first. Where there are several, they are measured, once on every computer.

    Parameters
    ----------
    system
        Its model may be ``auto``, and its engine.
    chunk
        Seconds of audio a step.
    pairs
        Directions that are needed, as ``en-de``; by default as many as possible.
    live
        Whether the model has to keep up with speech; if not, the best is taken.
    speeds
        Tells how fast a model is.
    tell
        Is told what is being measured.
    """
    engine = find_engine(system.engine, system.model)
    taught = system.taught if engine.weights else None
    base = taught.model if taught else system.model
    if base != AUTO or not engine.weights:
        model = base if system.model == AUTO else system.model
        name = engine_name(system.engine, base, bool(taught))
        return Fit(replace(system, model=model, engine=name))
    able = candidates(system, pairs)
    ways = [(each, engine) for each in able for engine in each.engines(system.engine)]
    if not ways:  # what is missing is told when the model is loaded
        least = (able or RANKED)[-1]
        return Fit(_with(system, least, engine_name(system.engine, least.model)))
    if not live or len(ways) < 2 or system.engine not in (AUTO, *HERE):
        return _plain(system, *ways[0], "the best" if len(able) > 1 else "the only")
    if options := _options(system, able, chunk, speeds, tell):
        return _compared(system, able, options, chunk)
    return _unknown(system, ways[-1][0])


def candidates(system: System, pairs: Collection[str] = ()) -> Sequence[Candidate]:
    """Return the models to choose from, the best first; none if nothing is installed."""
    there = [each for each in RANKED if each.known.state != "missing"]
    wanted = set(pairs or chain.from_iterable(each.pairs for each in there))
    if given := system.heads:
        suited = [each for each in there if each.known.model == given.model]
    else:
        suited = [each for each in there if wanted <= set(each.pairs)]
    return suited or there


def _options(
    system: System, able: Sequence[Candidate], chunk: float, speeds: Speeds, tell: Tell
) -> list[Option]:
    """Measure as much as the choice needs, small models first; return the better ones first.

    A larger model is tried where the smaller was fastest, and only if it may be live by its size.
    """
    options: list[Option] = []
    smaller, best = None, None
    for each in reversed(able):
        engines = each.engines(system.engine)
        if smaller and best:
            if not _at_least(each, smaller, best).is_live(chunk):
                break
            engines = [best.engine] if best.engine in engines else engines
        found = list(_measured(each, engines, speeds, tell))
        if found:
            smaller, best = each, choose(found, chunk)
        options = [*found, *options]
    return options


def _measured(
    each: Candidate, engines: Sequence[str], speeds: Speeds, tell: Tell
) -> Iterator[Option]:
    """Yield how fast a model is in some engines; in one that fails it is no option."""
    for engine in engines:
        with suppress(AlignattError):
            if found := speeds(each.known, engine, tell):
                yield Option(each.model, engine, found)


def _at_least(larger: Candidate, smaller: Candidate, best: Option) -> Speed:
    """Return what a larger model takes at least, by what a smaller one does."""
    return best.speed.at_least(larger.megabytes / smaller.megabytes)


def _plain(system: System, each: Candidate, engine: str, which: str) -> Fit:
    return Fit(
        _with(system, each, engine), f"{each} in {engine}, {which} model installed for this."
    )


def _compared(
    system: System, able: Sequence[Candidate], options: Sequence[Option], chunk: float
) -> Fit:
    """Choose by what was measured."""
    best = choose(options, chunk)
    named = {each.model: each for each in able}
    takes = f"{best.speed.settled(chunk):.2g} s of computing a second of speech"
    why = f"{named[best.model]} in {best.engine}: {takes}"
    if not best.speed.is_live(chunk):
        why += ", more than leaves room for hearing it, so it will lag"
    return Fit(_with(system, named[best.model], best.engine), f"{why}.")


def _unknown(system: System, least: Candidate) -> Fit:
    """Take the smallest model; if it fails as well, loading it tells why."""
    engine = least.engines(system.engine)[0]
    why = f"{least} in {engine}, until it is measured what this computer does live."
    return Fit(_with(system, least, engine), why)


def _with(system: System, each: Candidate, engine: str) -> System:
    return replace(system, model=each.model, engine=engine, adapter=each.adapter)
