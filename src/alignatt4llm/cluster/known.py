"""The cluster that ``up`` runs on this machine: where it is written down, and how it is ended."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from platformdirs import user_state_path

from alignatt4llm.errors import AlignattError

_PATIENCE = 60.0
"""Seconds in which it has to end."""


@dataclass(frozen=True, slots=True)
class Known:
    """What other commands need to know of it.

    Attributes
    ----------
    pid, began
        The process of ``up``, and when it began, since numbers come again.
    address
        Of the cluster.
    port
        Where clients come in.
    """

    pid: int
    began: float
    address: str
    port: int

    @property
    def there(self) -> bool:
        """Whether the process is."""
        return _began(self.pid) == self.began

    def stop(self) -> None:
        """End it and wait until it has.

        Raises
        ------
        AlignattError
            If it does not end.
        """
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        until = time.monotonic() + _PATIENCE
        while self.there:
            if time.monotonic() > until:
                raise AlignattError(f"Process {self.pid} does not end; end it with kill -9.")
            time.sleep(0.1)


def file() -> Path:
    """Return where it is written down."""
    return user_state_path("alignatt4llm") / "cluster.json"


def known() -> Known | None:
    """Return the cluster that runs here; None if none does."""
    try:
        found = Known(**json.loads(file().read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.there else None


@contextmanager
def noted(address: str, port: int) -> Iterator[None]:
    """Write down that it runs, until the block ends."""
    path = file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(asdict(Known(os.getpid(), _began(os.getpid()), address, port))), "utf-8"
    )
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _began(pid: int) -> float:
    """Return when a process began; -1 if there is none."""
    try:
        return float(psutil.Process(pid).create_time())
    except (psutil.Error, ValueError):
        return -1.0
