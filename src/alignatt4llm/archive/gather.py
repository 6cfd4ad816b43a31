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
from alignatt4llm.text.languages import is_language, language, listed

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


def gather(inputs: Sequence[str], out: Path, tell: Tell, to: Sequence[str] = ()) -> Gathered:
    """Find the recordings that are meant.

    Parameters
    ----------
    inputs
        Folders, lists, recordings, addresses; ``-`` for a list on standard input.
    out
        The folder of results; if it lies in a folder that is searched, it is not looked into.
    tell
        Is told what is left out.
    to
        Names of languages that are asked for where a list does not say it.

    Raises
    ------
    UsageError
        If there is nothing of that name, a list cannot be read, or nothing is found.
    """
    found = Gathered()
    listed = list(chain.from_iterable(_listed(each, found) for each in inputs))
    for entry in listed:
        found.entries += _searched(entry, found, out, tell)
    found.entries = _once(found.entries, to)
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
        return read_manifest(path, Path() if name == STANDARD_INPUT else None)
    return [Entry(str(absolute(path)))]


def _searched(entry: Entry, found: Gathered, out: Path, tell: Tell) -> list[Entry]:
    """Return the recordings of a folder; another entry is one itself."""
    path = local(entry.source)
    if path is None or not is_folder(path):
        return [entry]
    found.roots.append(absolute(path))
    return [replace(entry, source=str(each)) for each in search(found.roots[-1], out, tell)]


def _once(entries: list[Entry], to: Sequence[str]) -> list[Entry]:
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
        if key not in joined:
            joined[key] = entry
            continue
        before = joined[key]
        if before.spoken and entry.spoken and _meant(before.spoken) != _meant(entry.spoken):
            raise UsageError(
                f"{entry.where} says of '{entry.source}' that {entry.spoken} is spoken, and "
                f"{before.where} {before.spoken}; say it once."
            )
        into = before.to if before.to == entry.to else _joined(before.to or to, entry.to or to)
        joined[key] = replace(before, spoken=before.spoken or entry.spoken, to=into)
    return list(joined.values())


def _joined(*to: Sequence[str]) -> tuple[str, ...]:
    """Return names of languages, each language once."""
    different: dict[str, str] = {}
    for name in listed(chain.from_iterable(to)):
        different.setdefault(_meant(name), name)
    return tuple(different.values())


def _meant(name: str) -> str:
    """Return the code of a language; of what is none, the name itself."""
    return language(name).code if is_language(name) else name.strip().lower()
