"""From what is typed (folders, lists, recordings) to the recordings of an archive."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from alignatt4llm.archive.manifest import LISTS, Entry, read_manifest
from alignatt4llm.archive.search import search
from alignatt4llm.errors import Tell, UsageError
from alignatt4llm.files.named import absolute, exists, is_folder, local

STANDARD_INPUT = "-"


@dataclass
class Gathered:
    """What was found.

    Attributes
    ----------
    entries
        The recordings, each once.
    roots
        Folders that were searched.
    lists
        Files that named them.
    """

    entries: list[Entry] = field(default_factory=list)
    roots: list[Path] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)


def gather(inputs: Sequence[str], out: Path, tell: Tell) -> Gathered:
    """Find the recordings that are meant.

    Parameters
    ----------
    inputs
        Folders, lists, recordings, addresses; ``-`` for a list on standard input.
    out
        The folder of results; if it lies in a folder that is searched, it is not looked into.
    tell
        Is told what is left out.

    Raises
    ------
    UsageError
        If there is nothing of that name, a list cannot be read, or nothing is found.
    """
    found = Gathered()
    listed = list(chain.from_iterable(_listed(each, found) for each in inputs))
    for entry in listed:
        found.entries += _searched(entry, found, out, tell)
    found.entries = _once(found.entries)
    if not found.entries:
        raise UsageError(f"No recordings were found in {', '.join(map(repr, inputs))}.")
    return found


def _listed(name: str, found: Gathered) -> list[Entry]:
    """Return the entries of a list, or the one that is no list."""
    path = Path("/dev/stdin") if name == STANDARD_INPUT else local(name)
    if path is None:
        return [Entry(name)]
    if name != STANDARD_INPUT and not exists(str(path)):
        raise UsageError(f"There is no file or folder '{name}'; check the name.")
    if not is_folder(path) and (name == STANDARD_INPUT or path.suffix.lower() in LISTS):
        found.lists.append(path)
        return read_manifest(path)
    return [Entry(str(absolute(path)))]


def _searched(entry: Entry, found: Gathered, out: Path, tell: Tell) -> list[Entry]:
    """Return the recordings of a folder; another entry is one itself."""
    path = local(entry.source)
    if path is None or not is_folder(path):
        return [entry]
    found.roots.append(absolute(path))
    return [replace(entry, source=str(each)) for each in search(found.roots[-1], out, tell)]


def _once(entries: list[Entry]) -> list[Entry]:
    """Join what was said of the same recording.

    Raises
    ------
    UsageError
        If two languages are said to be spoken in it.
    """
    joined: dict[str, Entry] = {}
    for entry in entries:
        path = local(entry.source)
        key = entry.source if path is None else os.path.realpath(path)
        before = joined.setdefault(key, entry)
        if before.spoken and entry.spoken and before.spoken != entry.spoken:
            raise UsageError(
                f"{entry.where} says of '{entry.source}' that {entry.spoken} is spoken, and "
                f"{before.where} {before.spoken}; say it once."
            )
        to = tuple(dict.fromkeys([*before.to, *entry.to]))
        joined[key] = replace(before, spoken=before.spoken or entry.spoken, to=to)
    return list(joined.values())
