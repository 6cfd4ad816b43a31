"""The folder of results, and what is known to be done in it, whenever a run was killed."""

import errno
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from alignatt4llm.archive.items import File, Outcome, Task
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.files.named import is_file
from alignatt4llm.files.writing import sweep, write_whole

FOLDER, DONE, OURS, WORK, LOCK = ".alignatt", "done.jsonl", "ours", "work", "lock"
"""What lies beside the results: a folder, with the record, the files that were ever begun, what is
in work, and a lock.
"""
FAILED = "failed.txt"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Faults of the folder, not of one file."""


class Record:
    """The folder of results, written by one run at a time; use it in a ``with`` block.

    A file counts as done when it is there and its stamp was written down after it; so one that a
    killed run has left without its stamp is made again and takes the place of the other.

    Parameters
    ----------
    out
        The folder; it is made if it is not there.

    Attributes
    ----------
    names
        What the results of each source were called before.
    came
        What has come of each source, so far.
    deaths
        How many runs were killed in the work of each source that is not done since.

    Raises
    ------
    AlignattError
        If another run writes it, or it cannot be written.
    """

    def __init__(self, out: Path) -> None:
        self.out, self._path, self._work = out, out / FOLDER / DONE, out / FOLDER / WORK
        self._ours, self._our_paths = out / FOLDER / OURS, set[str]()
        self.names: dict[str, str] = {}
        self.came: dict[str, Outcome] = {}
        self.deaths: dict[str, int] = {}
        self._given_up: set[str] = set()
        self._stamps: dict[str, str] = {}
        self._unmade: set[str] = set()
        self._lock = FileLock(out / FOLDER / LOCK)

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            self._read()
        except Timeout as error:
            raise AlignattError(
                f"Another 'alignatt subtitle' writes into '{self.out}'; wait for it, or give "
                "another folder with --out."
            ) from error
        except OSError as error:
            raise UsageError(f"'{self.out}' cannot be written: {error.strerror}.") from error
        return self

    def __exit__(self, *error: object) -> None:
        for source in self._given_up:
            self.deaths.pop(source, None)
        self._note_work("")
        self._lock.release()

    def begin(self, task: Task) -> None:
        """Note what is in work now."""
        self._note_work(task.item.source)

    def give_up(self, task: Task) -> Outcome:
        """Return that runs have died of a task; once that is told, the next run may try again."""
        source = task.item.source
        self._given_up.add(source)
        return Outcome(
            task,
            problem=f"{self.deaths[source]} runs were killed while they worked on '{source}'; "
            "there may be too little memory for it.",
        )

    def forget(self, tasks: Iterable[Task]) -> None:
        """Count nothing of tasks as done; names stay."""
        for task in tasks:
            forgotten = dict.fromkeys((file.path for file in task.files), "")
            self._append({**_about(task), "files": forgotten})

    def holds(self, file: File) -> bool:
        """Whether a file is there as it would be made now."""
        known = self._stamps.get(file.path) == file.stamp
        return known and (file.path in self._unmade or is_file(self.out / file.path))

    def foreign(self, file: File) -> bool:
        """Whether what is there was not written by this program."""
        ours = file.path in self._our_paths or file.path in self._stamps
        return not ours and is_file(self.out / file.path)

    def clean(self, files: Iterable[File]) -> None:
        """Remove what a killed run has begun where these files stand."""
        for folder in {(self.out / file.path).parent for file in files}:
            sweep(folder)

    def keep(self, outcome: Outcome) -> Outcome:
        """Write the files of an outcome, then that they are done; or only what failed.

        Returns
        -------
        Outcome
            The same, or that its files cannot be written.

        Raises
        ------
        AlignattError
            If nothing at all can be written any more.
        """
        if not outcome.problem:
            self.deaths.pop(outcome.task.item.source, None)
        self._note_work("")
        try:
            for path in outcome.texts.keys() - self._our_paths:
                self._write_line(self._ours, path)
                self._our_paths.add(path)
            for path, text in outcome.texts.items():
                self._write(self.out / path, text)
        except UsageError as error:
            if getattr(error.__cause__, "errno", None) in _FULL:
                raise
            outcome = replace(outcome, texts={}, problem=str(error))
        self._append(_described(outcome))
        self.came[outcome.task.item.source] = outcome
        return outcome

    def _write(self, path: Path, text: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"'{path}' cannot be written: {error.strerror}.") from error
        write_whole(path, text)

    def _append(self, line: Mapping[str, Any]) -> None:
        self._write_line(self._path, line)
        self._take(line)

    def _write_line(self, path: Path, line: Any) -> None:
        try:
            with path.open("ab", buffering=0) as file:
                file.write(_line(line).encode())
        except OSError as error:
            raise UsageError(f"'{path}' cannot be written: {error.strerror}.") from error

    def _read(self) -> None:
        """Read what runs before have noted."""
        for line in _whole_lines(self._path):
            with suppress(ValueError, TypeError, KeyError, AttributeError):  # it counts as undone
                self._take(json.loads(line))
        for line in _whole_lines(self._ours):
            with suppress(ValueError):
                self._our_paths.add(str(json.loads(line)))
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            work = json.loads(self._work.read_text("utf-8"))
            self.deaths = {str(source): int(count) for source, count in work["deaths"].items()}
            if now := work["now"]:
                self.deaths[now] = self.deaths.get(now, 0) + 1

    def _note_work(self, now: str) -> None:
        """Write what is in work, and what was when runs were killed; nothing if nothing is."""
        with suppress(OSError, UsageError):
            if now or self.deaths:
                write_whole(self._work, json.dumps({"now": now, "deaths": self.deaths}))
            else:
                self._work.unlink(missing_ok=True)

    def _take(self, line: Mapping[str, Any]) -> None:
        self.names[line["source"]] = line["name"]
        for path, stamp in line["files"].items():
            self._stamps[path] = stamp
            self._unmade.discard(path)
        self._unmade |= set(line["unmade"])


def _about(task: Task) -> dict[str, Any]:
    return {"source": task.item.source, "name": task.item.name, "files": {}, "unmade": []}


def _described(outcome: Outcome) -> dict[str, Any]:
    line, files = _about(outcome.task), outcome.task.files
    if outcome.problem:
        return {**line, "problem": outcome.problem}
    unmade = [file.path for file in files if file.path not in outcome.texts]
    return {**line, "files": {file.path: file.stamp for file in files}, "unmade": unmade}


def _whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file, and take off one in whose writing a run was killed."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        write_whole(path, whole)
    return whole.splitlines()


def _line(line: Any) -> str:
    return json.dumps(line) + "\n"
