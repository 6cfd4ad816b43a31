"""What was found out once and is kept: a JSON file of records by name."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from alignatt4llm.errors import UsageError
from alignatt4llm.files.writing import write_whole


def kept(path: Path) -> dict[str, Any]:
    """Return everything that is kept in a file; nothing if it cannot be read."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text("utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def keep(path: Path, name: str, record: dict[str, Any]) -> None:
    """Keep a record; where the file cannot be written, it is found out again next time."""
    with suppress(UsageError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({**kept(path), name: record}, indent=1) + "\n")
