"""Which state of the code makes a run."""

import subprocess
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


@cache
def commit() -> str | None:
    """Return the last commit that changed the package, with ``+`` if it has changed since.

    None where the package is not in a checkout.
    """
    last = _git("log", "-1", "--format=%h")
    return last and last + ("+" if _git("status", "--porcelain") else "")


def _git(*command: str) -> str | None:
    arguments = ["git", "-C", str(PACKAGE), *command, "--", "."]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() or None
