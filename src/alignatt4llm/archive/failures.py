"""The list of what failed, beside the results, for a person and to be given again."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from alignatt4llm.archive.items import Outcome
from alignatt4llm.archive.manifest import Entry, manifest_line, named_in
from alignatt4llm.archive.record import FAILED
from alignatt4llm.errors import UsageError
from alignatt4llm.files.reading import read_lines
from alignatt4llm.files.writing import write_whole
from alignatt4llm.text.printable import one_line


def write_failures(
    failed: Iterable[Outcome], done: Collection[str], entries: Iterable[Entry], out: Path
) -> Path | None:
    """Bring the list of failures up to date.

    What else stands in it stays: failures that this run was not asked for or has not reached.

    Parameters
    ----------
    failed
        What failed now.
    done
        Sources of which everything is there.
    entries
        The recordings as they were asked for.
    out
        The folder of results.

    Returns
    -------
    Path | None
        The list; None if nothing failed now.

    Raises
    ------
    UsageError
        If a file of that name cannot be read, or the list cannot be written.
    """
    path, asked = out / FAILED, {entry.source: entry for entry in entries}
    lines: list[str] = []
    for outcome in failed:
        lines += [f"# {one_line(outcome.problem)}", manifest_line(asked[outcome.task.item.source])]
    over = {*done, *(outcome.task.item.source for outcome in failed)}
    before = _read(path, bool(lines))
    now = [*_without(before, over, out), *lines]
    if now and now != before:
        write_whole(path, "\n".join([*now, ""]))
    elif before and not now:
        path.unlink()
    return path if lines else None


def _read(path: Path, needed: bool) -> list[str]:
    """Return the lines that are there; none if it is no text, which is then left as it is."""
    try:
        return read_lines(path) if path.exists() else []
    except UsageError:
        if needed:
            raise
        return []


def _without(lines: list[str], over: Collection[str], base: Path) -> Iterator[str]:
    """Yield lines but those that name such a source, and the reason above each."""
    reason: list[str] = []
    for line in lines:
        if line.lstrip().startswith("#"):
            yield from reason
            reason = [line]
        elif named_in(line, base) not in over:
            yield from [*reason, line]
            reason = []
        else:
            reason = []
    yield from reason
