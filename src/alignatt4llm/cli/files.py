"""Options that name files: which are written, which are read."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from alignatt4llm.errors import UsageError
from alignatt4llm.files.apart import check_file, check_folder, keep_apart
from alignatt4llm.files.named import local

PICTURES = (".svg", ".png", ".pdf")
"""Kinds of pictures that can be drawn."""


class Named(str):
    """An option's text that names a file, or something else: an address, a shipped artefact."""

    @property
    def path(self) -> Path:
        """Where the file would be; that of standard input for ``-``."""
        if self == "-":
            return Path("/dev/stdin")
        return local(self) or Path(self)


class Writes(argparse.Action):
    """Notes that an option's file is written; other options of type `Path` are read."""

    check = staticmethod(check_file)

    def __call__(
        self, parser: object, namespace: argparse.Namespace, path: Any, option: object = None
    ) -> None:
        """Take the path."""
        setattr(namespace, self.dest, path)
        namespace.written = {**getattr(namespace, "written", {}), self.dest: self}

    def paths(self, args: argparse.Namespace) -> list[Path]:
        """Return the files that are written."""
        return [getattr(args, self.dest)]


class WritesInto(Writes):
    """Notes that files are written into an option's folder."""

    check = staticmethod(check_folder)


class Draws(Writes):
    """Notes that an option's file is a picture, whose suffix says how it is drawn."""

    @staticmethod
    def check(name: str, path: Path) -> None:
        """See that it can be drawn and written."""
        if path.suffix.lower() not in PICTURES:
            raise UsageError(
                f"{name}: '{path}' cannot be drawn: its name must end in {', '.join(PICTURES)}."
            )
        check_file(name, path)


def check_files(args: argparse.Namespace, also_read: Iterable[Path] = ()) -> None:
    """See that outputs can be written, and are neither an input nor each other.

    Parameters
    ----------
    args
        The options of a command.
    also_read
        Files that are read without being named, such as those of a folder.

    Raises
    ------
    UsageError
        If not; names the option and the file.
    """
    written: dict[str, Writes] = getattr(args, "written", {})
    outputs = [
        (action.option_strings[0], action, path)
        for action in written.values()
        for path in action.paths(args)
    ]
    given = [value for dest, value in vars(args).items() if dest not in written]
    keep_apart([(name, path) for name, _, path in outputs], [*_paths(given), *also_read])
    for name, action, path in outputs:
        action.check(name, path)


def _paths(value: Any) -> Iterator[Path]:
    """Yield the paths in the value of an option, which may be lists of lists."""
    if isinstance(value, Path | Named):
        yield value if isinstance(value, Path) else value.path
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _paths(each)
