"""Text files that people give, from whatever system they come."""

import codecs
import json
from pathlib import Path
from typing import Any

from alignatt4llm.errors import UsageError

_MARK = "\ufeff"
_WIDE = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path: Path) -> str:
    r"""Return the text of a file, lines ended by ``\n``.

    It is UTF-8, or UTF-16 or UTF-32 with a byte-order mark. Marks are no part of the text, wherever
    files were joined; lines may end as on Windows or old Macs.

    Raises
    ------
    UsageError
        If the file cannot be read or is no such text; names the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror}.") from error
    encoding = next((name for mark, name in _WIDE.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = _line_at(content[: error.start].decode(encoding, "replace"))
        raise UsageError(
            f"'{path}' is not {encoding.upper()} text: {error.reason} in line {line}; save it as "
            "UTF-8."
        ) from error
    text = text.replace(_MARK, "").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = _line_at(text[: text.index("\0")])
        raise UsageError(f"'{path}' is not text: a NUL byte in line {line}; save it as UTF-8.")
    return text


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file; see `read_text`.

    Only line ends separate lines, and each belongs to the line before it: blank last lines count,
    what is a line separator in Unicode alone does not.
    """
    *lines, last = read_text(path).split("\n")
    return [*lines, last] if last else lines


def read_json(path: Path) -> Any:
    """Return what a JSON file holds; see `read_text`.

    Raises
    ------
    UsageError
        If the file cannot be read or is no JSON; names the place.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"'{path}' is not JSON: {error}.") from error


def _line_at(before: str) -> int:
    return len(before.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
