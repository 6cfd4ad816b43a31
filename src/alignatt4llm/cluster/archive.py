"""An archive on a cluster: recordings go to whichever process is free."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from alignatt4llm.archive.items import Outcome, Task
from alignatt4llm.archive.work import Order, Worker
from alignatt4llm.cluster.spread import Actors

Load = Callable[[], Callable[[Task], Outcome]]
"""Loads what does tasks, where it is called."""


class Spread:
    """A pool of actors, each of which has the models in memory.

    Parameters
    ----------
    actors
        How many, and what each needs.
    load
        Loads what works in each.
    """

    def __init__(self, actors: Actors, load: Load) -> None:
        self._actors, self._load = actors, load

    @classmethod
    def of(cls, actors: Actors, order: Order) -> "Spread":
        """Return a pool that subtitles."""
        return cls(actors, partial(Worker, order))

    def __call__(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do tasks; of one that processes die of, say so."""
        waiting = {task.item.source: task for task in tasks}
        for outcome in self._actors.spread(self._load, tasks):
            if waiting.pop(outcome.task.item.source, None):
                yield outcome
        for source, task in waiting.items():
            yield Outcome(
                task,
                problem=f"The processes that worked on '{source}' were killed; there may be too "
                "little memory for it.",
            )

    def stop(self) -> None:
        """Leave everything that is in work; a signal handler may call it."""
        raise KeyboardInterrupt
