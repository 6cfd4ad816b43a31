"""What the results of a recording are called: as it is, in folders as it lies in."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from alignatt4llm.files.named import exists, local
from alignatt4llm.text.printable import one_line

_LONGEST = 100
"""Characters taken of an address."""


def names(
    sources: Collection[str], roots: Collection[Path], known: Mapping[str, str]
) -> dict[str, str]:
    """Return a name for each source, none of them twice on any system.

    A name is the path from what all have in common, without its suffix; with it where two would be
    called the same. Who has a name keeps it.

    Parameters
    ----------
    sources
        Absolute paths and addresses.
    roots
        Absolute paths of folders that were searched; a file in none of them stands for its folder.
    known
        Names that were given before.
    """
    given = {source: known[source] for source in sources if source in known}
    taken = {_folded(name) for source, name in known.items() if source in given or _there(source)}
    fresh = [source for source in dict.fromkeys(sources) if source not in given]
    top = _top(fresh, roots)
    plain = {source: _relative(source, top) for source in fresh}
    wanted = Counter(_folded(_stem(path)) for path in plain.values())
    for source, path in plain.items():
        stem = _folded(_stem(path))
        for name in _wishes(path, wanted[stem] == 1):
            if _folded(name) not in taken:
                break
        given[source] = name
        taken.add(_folded(name))
    return given


def _wishes(path: PurePosixPath, alone: bool) -> Iterator[str]:
    if alone:
        yield _stem(path)
    yield str(path)
    yield from (f"{path}.{number}" for number in count(2))


def _stem(path: PurePosixPath) -> str:
    return str(path.with_suffix(""))


def _top(sources: Collection[str], roots: Collection[Path]) -> str | None:
    """Return the folder in which all files are; None if they have none in common."""
    tops = set(map(str, roots))
    files = [path for path in map(local, sources) if path is not None]
    tops |= {str(path.parent) for path in files if not any(map(path.is_relative_to, tops))}
    try:
        return os.path.commonpath(tops) if tops else None
    except ValueError:  # on several drives
        return None


def _relative(source: str, top: str | None) -> PurePosixPath:
    path = local(source)
    if path is None:
        return PurePosixPath(_of_address(source))
    inside = path.relative_to(top) if top else path.relative_to(path.anchor)
    return PurePosixPath(inside.as_posix())


def _of_address(address: str) -> str:
    last = PurePosixPath(unquote(urlsplit(address).path)).name
    name = re.sub(r'[\\/:*?"<>|]', "_", one_line(last)).lstrip(".")
    return name[-_LONGEST:].lstrip(". ") or "recording"


def _there(source: str) -> bool:
    return local(source) is None or exists(source)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
