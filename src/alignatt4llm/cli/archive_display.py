"""What a person sees while an archive is subtitled."""

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from alignatt4llm.archive.account import Account
from alignatt4llm.archive.items import Outcome
from alignatt4llm.text.printable import one_line


class ArchiveDisplay:
    """Standard error: a bar that stays in its place in a terminal, a line a recording elsewhere.

    Parameters
    ----------
    account
        How far it is.
    """

    def __init__(self, account: Account) -> None:
        self._account, self._began = account, time.monotonic()
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(self._state(), total=account.total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def tell(self, message: str) -> None:
        """Print a sentence above the bar."""
        self._console.print(one_line(message), soft_wrap=True)

    def show(self, outcome: Outcome) -> None:
        """Tell what came of a recording, and how far it is now."""
        item, account = outcome.task.item, self._account
        account.finish(item.source, outcome.audio_s)
        for notice in outcome.notices:
            self.tell(f"{item.name}: notice: {notice}")
        self._bar.update(self._task, completed=account.finished, description=self._state())
        if outcome.problem:
            self.tell(f"{item.name}: failed: {outcome.problem}")
        elif not self._console.is_terminal:
            self.tell(
                f"[{account.finished}/{account.total}] {item.name}: {clock(outcome.audio_s)} of "
                f"audio in {clock(outcome.took_s)}; {self._hours()}"
            )

    def _state(self) -> str:
        account = self._account
        return f"{account.finished} of {account.total} recordings, {self._hours()}"

    def _hours(self) -> str:
        account = self._account
        left = account.left(time.monotonic() - self._began)
        more = "" if left is None else f", {clock(left)} left"
        return f"{clock(account.done)} of {clock(account.found)} hours{more}"


def clock(seconds: float) -> str:
    """Return ``h:mm:ss``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
