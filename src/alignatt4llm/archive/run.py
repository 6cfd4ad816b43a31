"""A run over an archive: everything that is missing, what failed once more at the end."""

from collections.abc import Iterator, Sequence

from alignatt4llm.archive.items import Outcome, Pool, Task
from alignatt4llm.archive.record import Record
from alignatt4llm.errors import Tell

DEADLY = 2
"""Killed runs after which a recording is a failure."""


def subtitle(tasks: Sequence[Task], pool: Pool, record: Record, tell: Tell) -> Iterator[Outcome]:
    """Do tasks and write what comes of them; yield what came of each in the end.

    What fails is done once more when everything else is done. What `DEADLY` runs were killed in is
    not tried.

    Parameters
    ----------
    tasks
        What is missing.
    pool
        Does them.
    record
        The folder of results.
    tell
        Is told what failed and will be done once more.
    """
    record.clean(file for task in tasks for file in task.files)
    deadly = [task for task in tasks if record.deaths.get(task.item.source, 0) >= DEADLY]
    yield from map(record.keep, map(record.give_up, deadly))
    failed: dict[str, Outcome] = {}
    for outcome in map(record.keep, pool([task for task in tasks if task not in deadly])):
        if outcome.problem:
            tell(f"{outcome.problem} It is tried once more at the end.")
            failed[outcome.task.item.source] = outcome
        else:
            yield outcome
    if failed:
        for outcome in map(record.keep, pool([each.task for each in failed.values()])):
            failed.pop(outcome.task.item.source)
            yield outcome
    yield from failed.values()  # those that a pool which was stopped has left
