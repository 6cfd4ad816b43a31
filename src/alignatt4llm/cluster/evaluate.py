"""Runs of evaluation on a cluster: recordings go to whichever process is free."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NoReturn

import ray

from alignatt4llm.cluster.spread import Actors, attempted, told
from alignatt4llm.errors import AlignattError, Tell, UsageError, extra, silent
from alignatt4llm.evaluate.hypothesis import Hypothesis
from alignatt4llm.evaluate.runs import Asked, Plan, events_file, style, take_up, translated
from alignatt4llm.files.writing import write_whole
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.outputs.base import Collected
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.settings.system import System


class Measurer:
    """Models in memory, and every plan that the options ask for.

    Parameters
    ----------
    args
        What `sweep.plans` reads, folders from the root on.
    system
        The models.
    """

    def __init__(self, args: argparse.Namespace, system: System) -> None:
        with extra("evaluate", "Measuring"):
            from alignatt4llm.evaluate.sweep import plans
        self.told: list[str] = []
        self.plans = plans(args, Interpreter(system, silent), self.told.append)

    def __call__(self, asked: Asked) -> tuple[Asked, Hypothesis, str]:
        """Return what is said of a recording, and its events."""
        plan = self.plans[asked.plan]
        lines = Collected(OUTPUTS["jsonl"].format(style(plan)), trace=True)
        hypothesis = translated(plan, asked.recording, lines)
        return asked, hypothesis, lines.whole()


def run(args: argparse.Namespace, system: System, actors: Actors, tell: Tell) -> None:
    """Do what `runs.run` does on a cluster; its files and errors are the same."""
    plans, sentences = _described(args, system, actors)
    for sentence in sentences:
        tell(sentence)

    def spread(asked: Sequence[Asked]) -> Iterator[tuple[Asked, Hypothesis]]:
        left = len(asked)
        for each, hypothesis, events in actors.spread(partial(Measurer, args, system), asked):
            left -= 1
            path = events_file(plans[each.plan], each.recording)
            path.parent.mkdir(exist_ok=True)
            write_whole(path, events)
            yield each, hypothesis
        if left:
            raise AlignattError(
                f"The processes that worked on {left} of {len(asked)} recordings were killed; "
                "there may be too little memory for them. The same command does them again."
            )

    take_up(plans, spread, tell)


def _described(
    args: argparse.Namespace, system: System, actors: Actors
) -> tuple[list[Plan], list[str]]:
    """Return the plans as a process sees them that has the models, without what it needs itself."""
    described = ray.remote(num_cpus=actors.cpus, num_gpus=actors.gpus, max_calls=1)(_describe)
    with told():
        came: tuple[list[Plan], list[str]] | AlignattError = ray.get(described.remote(args, system))
    if isinstance(came, AlignattError):
        raise came
    return came


def _describe(
    args: argparse.Namespace, system: System
) -> tuple[list[Plan], list[str]] | AlignattError:
    measurer = attempted(partial(Measurer, args, system))
    if isinstance(measurer, AlignattError):
        return measurer
    return [replace(plan, system=_elsewhere) for plan in measurer.plans], measurer.told


def _elsewhere() -> NoReturn:
    raise UsageError("The models are not in this process.")
