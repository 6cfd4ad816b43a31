"""What a command asks to measure, as one plan for each combination."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from alignatt4llm.errors import Tell, UsageError, silent
from alignatt4llm.evaluate.corpus import Recording, read_corpus
from alignatt4llm.evaluate.names import OFFLINE, closings, distinct, run_name
from alignatt4llm.evaluate.policies import Setup, Wanted
from alignatt4llm.evaluate.runs import Manifest, Plan
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.recognizers.heard import Hearing
from alignatt4llm.settings.latency import LATENCIES, Latency, changed
from alignatt4llm.settings.system import System
from alignatt4llm.text.languages import Pair

Changes = tuple[tuple[str, str], ...]
Read = Callable[[Path, Pair], Sequence[Recording]]


@dataclass(frozen=True, slots=True)
class _Choice:
    """One combination of what the command lists; ``name`` is that of its folder."""

    pair: Pair
    policy: str
    latency: str
    closes: str
    changes: Changes

    @property
    def name(self) -> str:
        changes = [f"{name}={value}" for name, value in self.changes]
        return run_name(str(self.pair), self.policy, self.latency, self.closes, changes)

    @property
    def settings(self) -> Latency:
        return settings(self.policy, self.latency, self.closes, self.changes)


def settings(policy: str, latency: str, closes: str, changes: Changes = ()) -> Latency:
    """Return what a policy is measured with.

    Parameters
    ----------
    policy, latency
        Their names.
    closes
        One of `names.CLOSINGS`.
    changes
        Names and values that are set otherwise.
    """
    found = LATENCIES[latency]
    if policy != OFFLINE:
        found = found.closing(closings(policy, closes))
    for name, value in changes:
        found = changed(found, name, value)
    return found


def plans(args: argparse.Namespace, interpreter: Interpreter, tell: Tell = silent) -> list[Plan]:
    """Return a plan for each pair, policy, latency, kind of closings and change.

    A single one is written to ``args.out`` itself, several to folders inside it. What a corpus
    leaves out is told once.

    Raises
    ------
    UsageError
        If something that is listed does not exist.
    """
    choices = list(_choices(args))
    first = choices[0].pair
    corpora = {
        pair: read_corpus(args.data, pair, tell if pair == first else silent)
        for pair in dict.fromkeys(choice.pair for choice in choices)
    }
    return [
        _plan(
            args,
            interpreter,
            choice,
            args.out / choice.name if len(choices) > 1 else args.out,
            corpora[choice.pair],
        )
        for choice in choices
    ]


def _choices(args: argparse.Namespace) -> Iterator[_Choice]:
    """Yield every combination; offline translation has no latency and no changes."""
    settings = list(product(args.latency, product(*map(_change, args.set))))
    for pair, policy in product(map(Pair.parse, args.pair), args.policy):
        is_offline = policy == OFFLINE
        for latency, changes in settings[:1] if is_offline else settings:
            for closes in distinct(policy, args.closings):
                yield _Choice(pair, policy, latency, closes, () if is_offline else changes)


def _change(text: str) -> Sequence[tuple[str, str]]:
    name, equals, values = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text}: write NAME=VALUE.")
    return [(name, value) for value in values.split(",")]


def _plan(
    args: argparse.Namespace,
    interpreter: Interpreter,
    choice: _Choice,
    folder: Path,
    recordings: Sequence[Recording],
) -> Plan:
    system = interpreter.system
    heads = system.heads or interpreter.heads(choice.pair)
    wanted = _wanted(args, system, choice, heads)
    setup = Setup(interpreter, wanted)
    manifest = {**_described(args, system, choice, wanted), **setup.machine, "jobs": args.jobs}
    return Plan(folder, manifest, _within(args, recordings), setup.system)


def expected(
    args: argparse.Namespace, system: System, read: Read = read_corpus
) -> tuple[Manifest, Sequence[Recording]] | None:
    """Return what a single run is, and its recordings, before a model is loaded.

    What its manifest will say besides is of the machine. None if a head set would have to be
    calibrated. ``read`` reads a folder of recordings.
    """
    [choice] = _choices(args)
    chosen = system.chosen(choice.pair)
    if chosen is None:
        return None
    described = _described(args, system, choice, _wanted(args, system, choice, chosen.heads))
    return described, _within(args, read(args.data, choice.pair))


def _within(args: argparse.Namespace, recordings: Sequence[Recording]) -> Sequence[Recording]:
    return recordings[args.skip :][: args.limit]


def _wanted(args: argparse.Namespace, system: System, choice: _Choice, heads: HeadSet) -> Wanted:
    hearing = None if args.perfect else Hearing()
    return Wanted(choice.pair, choice.policy, choice.settings, heads, system.prompt, hearing)


def _described(
    args: argparse.Namespace, system: System, choice: _Choice, wanted: Wanted
) -> Manifest:
    """Describe a run for its manifest, apart from the machine."""
    return {
        **wanted.described(),
        "latency": choice.latency if choice.policy != OFFLINE else None,
        "closings": choice.closes if choice.policy != OFFLINE else None,
        "changes": dict(choice.changes),
        "model": system.model,
        "recognizer": system.recognizer,
        "engine": system.engine,
        "data": args.data.resolve().name,
    }
