"""Lists of recordings that people write, or programs for them."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from alignatt4llm.errors import UsageError
from alignatt4llm.files.named import absolute, exists, impossible, local
from alignatt4llm.files.reading import read_text
from alignatt4llm.text.languages import is_language, listed

TABLES = (".csv", ".tsv")
LISTS = (*TABLES, ".txt", ".jsonl", ".ndjson", ".list", ".lst", ".m3u")
"""How the names of lists end; what is called otherwise is a recording."""
COLUMNS = ("path", "from", "to")
_NUMBERED = re.compile(r"\s*#\s*[,;\t]")
"""Begins a first line whose first column is that of numbers."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording as it was asked for.

    Attributes
    ----------
    source
        A path or an address.
    spoken, to
        Names of languages; empty where the list does not say.
    where
        Where that was said, for complaints; empty on the command line.
    """

    source: str
    spoken: str = ""
    to: tuple[str, ...] = ()
    where: str = ""


def read_manifest(path: Path, base: Path | None = None) -> list[Entry]:
    """Return what a list names, in its order.

    It is a table with a first line that names its columns (``path``, and if wanted ``from`` and
    ``to``; others are not looked at), where its name ends in `TABLES`, with tabs in a ``.tsv``;
    else each line is a path, an address, or a JSON object with these keys. Lines and paths that
    begin with ``#`` say nothing, unless there is such a file. Paths may stand in quotes, and are
    relative to the list, or else to the current folder.

    Parameters
    ----------
    path
        The list.
    base
        What paths are relative to, if not the folder of the list.

    Raises
    ------
    UsageError
        If it cannot be read, or names nothing; names the line.
    """
    base = path.parent if base is None else base
    text = read_text(path)
    tabular = path.suffix.lower() in TABLES
    rows = _table(path, text, base) if tabular else _lines(path, text, base)
    entries = [_entry(where, row, base) for where, row in rows]
    if not entries:
        raise UsageError(f"'{path}' names no recording; write one path or address a line.")
    return entries


def named_in(line: str, base: Path) -> str | None:
    """Return the path or address that a line of a list names; None if it names nothing."""
    try:
        rows = [_entry(where, row, base) for where, row in _lines(base, line, base)]
    except UsageError:
        return None
    return rows[0].source if rows else None


def manifest_line(entry: Entry) -> str:
    """Return the line of a list that names just this recording, whatever characters are in it."""
    plain = entry.source.isprintable() and entry.source == entry.source.strip()
    if plain and entry.source[0] not in "#\"'{" and not (entry.spoken or entry.to):
        return entry.source
    more = {"from": entry.spoken, "to": " ".join(entry.to)}
    return json.dumps({"path": entry.source, **{key: text for key, text in more.items() if text}})


def _lines(path: Path, text: str, base: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        where, bare = f"'{path}', line {number}", line.strip()
        if _says_nothing(line, base):
            continue
        if bare[0] == "{" and _there(line, base) is None:
            yield where, _object(where, bare)
        else:
            yield where, {"path": _reading(line, base)}


def _object(where: str, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: this is no JSON object: {error}.") from error
    return {str(key).strip().lower(): value for key, value in row.items()}


def _table(path: Path, text: str, base: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    delimiter = _delimiter(path, text)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    columns: list[str] = []
    try:
        for cells in reader:
            if not columns:
                columns = _columns(path, cells)
                continue
            row = dict(zip(columns, cells, strict=False))
            told = row.get("path", "".join(cells[:1]))
            if not any(map(str.strip, cells)) or (told.strip() and _says_nothing(told, base)):
                continue
            row["path"] = _reading(row.get("path", ""), base)
            yield f"'{path}', line {reader.line_num}", row
    except csv.Error as error:
        raise UsageError(f"'{path}', line {reader.line_num}: {error}.") from error


def _delimiter(path: Path, text: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    lines = (line for line in text.split("\n") if not _is_comment(line) or _NUMBERED.match(line))
    head = next(lines, "")
    return max(",;\t", key=head.count)


def _columns(path: Path, cells: list[str]) -> list[str]:
    """Return the names of columns; none if this is not yet the line that has them."""
    columns = [cell.strip().lower() for cell in cells]
    numbered = "path" in columns and columns[0] == "#"
    if not any(columns) or (columns[0].startswith("#") and not numbered):
        return []
    if "path" not in columns:
        raise UsageError(
            f"'{path}' has no column 'path'; name the columns in its first line: "
            f"{', '.join(COLUMNS)}."
        )
    return columns


def _is_comment(line: str) -> bool:
    return line.strip()[:1] in {"", "#"}


def _says_nothing(text: str, base: Path) -> bool:
    """Whether a line or a cell is a comment or blank, and there is no file of that name."""
    return _is_comment(text) and _there(text, base) is None


def _entry(where: str, row: dict[str, Any], base: Path) -> Entry:
    source, spoken = row.get("path"), row.get("from") or ""
    if not isinstance(source, str) or not source.strip():
        raise UsageError(f"{where}: 'path' must be a path or an address.")
    if not isinstance(spoken, str):
        raise UsageError(f"{where}: 'from' must be a language.")
    meant = _meant(source, base)
    if (path := local(meant)) and (why := impossible(path)):
        raise UsageError(f"{where}: no file can be called so: {why}.")
    return Entry(meant, spoken.strip(), tuple(_named(where, row.get("to"))), where)


def _named(where: str, to: Any) -> Iterable[str]:
    """Return names of languages, in a list or in a text with commas or spaces between them."""
    if isinstance(to, list) and all(isinstance(name, str) for name in to):
        return to
    if to is None or isinstance(to, str):
        parts = listed([to or ""])
        return [name for part in parts for name in ([part] if is_language(part) else part.split())]
    raise UsageError(f"{where}: 'to' must be a language, or several.")


def _reading(text: str, base: Path) -> str:
    """Return the name that a text stands for: what is there of it, without spaces, or quotes."""
    return _there(text, base) or _readings(text)[-1]


def _there(text: str, base: Path) -> str | None:
    """Return that reading of a text which is the name of a file; None if there is no such file."""
    readings = _readings(text) if text.strip() else []
    return next((name for name in readings if exists(str(base / name)) or exists(name)), None)


def _readings(text: str) -> list[str]:
    bare = text.strip()
    quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'"
    return [text, bare, bare[1:-1] if quoted else bare]


def _meant(name: str, base: Path) -> str:
    """Return an absolute path, or an address; what is there under a name is that file."""
    for folder in (base, Path()):
        if exists(str(folder / name)):
            return str(absolute(folder / name))
    path = local(name)
    return name if path is None else str(absolute(base / path))
