"""Which files are to be made of which recordings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from alignatt4llm.archive.gather import Gathered
from alignatt4llm.archive.items import File, Item, Task
from alignatt4llm.archive.manifest import Entry
from alignatt4llm.archive.media import identity
from alignatt4llm.archive.naming import names
from alignatt4llm.archive.record import Record
from alignatt4llm.errors import Tell, UsageError
from alignatt4llm.outputs.table import OUTPUTS
from alignatt4llm.text.languages import Language, language, targets

AUTO = "auto"
"""Stands for a language that is found out from the first speech."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made of every recording.

    Attributes
    ----------
    spoken, to
        Names of languages, for recordings of which a list does not say it.
    formats
        Names from `OUTPUTS`.
    settings
        Everything else that the results depend on, as it stands in JSON.
    """

    spoken: str
    to: Sequence[str]
    formats: Sequence[str]
    settings: Any


def items(found: Gathered, wanted: Wanted, record: Record, tell: Tell) -> list[Item]:
    """Return the recordings, with names and languages.

    Of one in which the only language asked for is spoken, nothing is to be made.

    Raises
    ------
    UsageError
        If a language is unknown, or there is none to translate into; names the line.
    """
    named = names([entry.source for entry in found.entries], found.roots, record.names)
    made = []
    for entry in found.entries:
        try:
            spoken, into = _languages(entry, wanted, tell)
        except UsageError as problem:
            raise UsageError(f"{entry.where}: {problem}" if entry.where else str(problem)) from None
        made.append(Item(entry.source, named[entry.source], spoken, into))
    _check_some(made, found.entries, tell)
    return made


def _check_some(made: Sequence[Item], entries: Sequence[Entry], tell: Tell) -> None:
    """Tell which recordings have nothing to be translated into; refuse if all have not."""
    left = [item for item in made if not item.targets]
    if len(left) == len(made) and (spoken := left[0].spoken):
        where = f"{entries[0].where}: " if entries[0].where else ""
        raise UsageError(
            f"{where}{spoken.name} is what is spoken; name another language to translate into."
        )
    if left:
        tell(
            f"Left out, as no other language is asked for than is spoken: {len(left)}, the first "
            f"'{left[0].source}'."
        )


def whole(item: Item, wanted: Wanted) -> Task:
    """Return the task of making every file of a recording as it is now."""
    spoken = item.spoken.code if item.spoken else AUTO
    about = [wanted.settings, spoken, item.source, identity(item.source)]
    codes = [target.code for target in item.targets]
    made = []
    for form in wanted.formats if codes else ():
        if OUTPUTS[form].for_all:
            made.append(File(f"{item.name}.{form}", form, None, _stamp([*about, codes])))
        else:
            stamp = _stamp(about)
            made += [File(f"{item.name}.{to}.{form}", form, to, stamp) for to in codes]
    return Task(item, tuple(made))


def foreign(tasks: Sequence[Task], record: Record) -> list[File]:
    """Return the files that stand where those of tasks belong, and are not from this program."""
    return [file for task in tasks for file in task.files if record.foreign(file)]


def missing(tasks: Sequence[Task], record: Record) -> list[Task]:
    """Return what is still to be done of tasks, last what runs before may have died of.

    What is foreign is not missing.
    """
    left = []
    for task in tasks:
        undone = (file for file in task.files if not record.holds(file))
        if files := tuple(file for file in undone if not record.foreign(file)):
            left.append(Task(task.item, files))
    return sorted(left, key=lambda task: record.deaths.get(task.item.source, 0))


def _languages(
    entry: Entry, wanted: Wanted, tell: Tell
) -> tuple[Language | None, tuple[Language, ...]]:
    name = entry.spoken or wanted.spoken
    spoken = None if name.strip().lower() == AUTO else language(name, tell)
    into = targets(entry.to or wanted.to, None, tell)
    return spoken, tuple(each for each in into if each != spoken)


def _stamp(about: Any) -> str:
    return sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
