"""``auto``: of the models that come with the package, the best that this computer runs live."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from alignatt4llm.errors import AlignattError, Tell, silent
from alignatt4llm.machine.live import Option, Speed, choose
from alignatt4llm.settings.candidates import HERE, RANKED, Candidate
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.settings.speeds import known_speed, speed
from alignatt4llm.settings.system import System
from alignatt4llm.translators.table import AUTO, engine_name, find_engine
from alignatt4llm.weights.embedded import Embedded

MEDIUM = LATENCIES["medium"].chunk

Speeds = Callable[[Embedded, str, Tell], Speed | None]
"""Returns how fast a model is in an engine; None if that is not known."""


def as_known(model: Embedded, engine: str, _: Tell) -> Speed | None:
    """Return what was measured of a model here, if anything was; nothing is measured now."""
    return known_speed(model, engine)


@dataclass(frozen=True, slots=True)
class Fit:
    """What ``auto`` has become.

    Attributes
    ----------
    system
        With a model and an engine of their own.
    why
        What was chosen and why, in a sentence; empty if nothing was left open.
    weighed
        Whether it was chosen by what was measured.
    """

    system: System
    why: str = ""
    weighed: bool = False


def fitted(
    system: System,
    chunk: float = MEDIUM,
    *,
    pairs: Collection[str] = (),
    targets: int = 1,
    live: bool = True,
    tell: Tell = silent,
) -> System:
    """Return a system of which nothing is ``auto``, and tell which model was chosen; see `fit`.

    Where ``targets`` are translated into at once, and the model was given, it is told if they are
    more than it carries live.
    """
    found = fit(system, chunk, pairs=pairs, targets=targets, live=live, tell=tell)
    why = found.why
    if live and targets > 1 and not found.weighed:
        why = " ".join(filter(None, (why, crowded(found.system, targets, chunk, speed, tell))))
    if why:
        tell(why)
    return found.system


def crowded(
    system: System, targets: int, chunk: float, speeds: Speeds = speed, tell: Tell = silent
) -> str:
    """Say what several targets take, if a model that comes with the package cannot carry them.

    Parameters
    ----------
    system
        With a model and an engine of their own.
    targets
        How many languages one stream is translated into.
    chunk
        Seconds of audio a step.
    speeds, tell
        As for `fit`.
    """
    known = next((each for each in RANKED if each.model == system.model), None)
    if known is None or system.engine not in HERE:
        return ""
    found = list(_measured(known, [system.engine], speeds, tell))
    takes = found[0].speed.times(targets) if found else None
    if takes is None or takes.is_live(chunk):
        return ""
    return (
        f"{targets} languages at once take up to {takes.settled(chunk):.2g} s of computing a "
        f"second of speech, {_TOO_MUCH}."
    )


def fit(
    system: System,
    chunk: float = MEDIUM,
    *,
    pairs: Collection[str] = (),
    targets: int = 1,
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
    targets
        How many languages a stream is translated into at once.
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

    def each_target(model: Embedded, engine: str, tell: Tell) -> Speed | None:
        found = speeds(model, engine, tell)
        return found.times(targets) if found else None

    if options := _options(system, able, chunk, each_target, tell):
        return _compared(system, able, options, chunk, targets)
    return _unknown(system, ways[-1][0])


def candidates(system: System, pairs: Collection[str] = ()) -> Sequence[Candidate]:
    """Return the models to choose from, the best first; none if nothing is installed."""
    there = [each for each in RANKED if each.known.state != "missing"]
    wanted = set(pairs or chain.from_iterable(each.pairs for each in there))
    if given := system.heads:
        suited = [each for each in there if each.name == given.model]
    else:
        suited = [each for each in there if wanted <= set(each.pairs)]
    return suited or [each for each in there if not each.taught]


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
    system: System,
    able: Sequence[Candidate],
    options: Sequence[Option],
    chunk: float,
    targets: int,
) -> Fit:
    """Choose by what was measured."""
    best = choose(options, chunk)
    named = {each.model: each for each in able}
    most = f"for {targets} languages at once up to " if targets > 1 else ""
    takes = f"{most}{best.speed.settled(chunk):.2g} s of computing a second of speech"
    why = f"{named[best.model]} in {best.engine}: {takes}"
    if not best.speed.is_live(chunk):
        why += f", {_TOO_MUCH}"
    return Fit(_with(system, named[best.model], best.engine), f"{why}.", weighed=True)


_TOO_MUCH = "more than leaves room for hearing it, so it will lag"


def _unknown(system: System, least: Candidate) -> Fit:
    """Take the smallest model; if it fails as well, loading it tells why."""
    engine = least.engines(system.engine)[0]
    why = f"{least} in {engine}, until it is measured what this computer does live."
    return Fit(_with(system, least, engine), why)


def _with(system: System, each: Candidate, engine: str) -> System:
    return replace(system, model=each.model, engine=engine)
