"""Installing what is missing, once it has been agreed to."""

import subprocess
import sys
from importlib import invalidate_caches

from alignatt4llm.cli.report import tell
from alignatt4llm.errors import AlignattError, UsageError, install, installer


def mend(requirement: str, agreed: bool) -> int:
    """Install a requirement beside this program, then look again.

    Parameters
    ----------
    requirement
        What pip is asked for.
    agreed
        Whether to go ahead without asking.

    Returns
    -------
    int
        0 if speech can be translated then, else 1.

    Raises
    ------
    AlignattError
        If it cannot be installed; `UsageError` if there is nobody to ask.
    """
    if not (agreed or _asked()):
        return 1
    tell(install(requirement))
    _run(installer(requirement))
    invalidate_caches()
    return subprocess.run(
        [sys.executable, "-m", "alignatt4llm.cli.main", "doctor"], check=False
    ).returncode


def _asked() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask in; --fix --yes installs without asking.")
    return input("Do it now? [y/N] ").strip().lower() in ("y", "yes")


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, check=False)
    except OSError as problem:
        raise AlignattError(f"'{command[0]}' does not start: {problem.strerror}.") from problem
    if done.returncode:
        raise AlignattError(f"{command[0]} ended with {done.returncode}; what it said is above.")
