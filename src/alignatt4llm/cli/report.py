"""What commands say while they work, and the files they leave."""

import sys
from pathlib import Path

from alignatt4llm.errors import UsageError


def tell(message: str) -> None:
    """Say how far the work is, on standard error."""
    print(message, file=sys.stderr, flush=True)


def write_text(path: Path, text: str) -> None:
    """Write a file.

    Raises
    ------
    UsageError
        If it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written: {error.strerror}.") from error
