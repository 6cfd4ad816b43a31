"""No file that is written is one that is read, or another that is written."""

import os
import stat
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from alignatt4llm.errors import UsageError
from alignatt4llm.files.writing import is_stream, status

STANDARD_OUTPUT = "standard output"


def keep_apart(written: Iterable[tuple[str, Path]], read: Iterable[Path]) -> None:
    """Refuse outputs that are an input or each other; nothing is opened.

    Links are followed, and names that differ only in case or in how accents are encoded are one
    name, as they are on many systems. Devices, pipes and streams of this process are exempt.

    Parameters
    ----------
    written
        The options that ask for files, and what each writes. Where standard output is a file,
        that counts too.
    read
        What is read.

    Raises
    ------
    UsageError
        If two are one; names the option and the file.
    """
    outputs = [(name, path) for name, path in written if not is_stream(path)]
    stdout = Path("/dev/stdout")
    if (found := status(stdout)) and stat.S_ISREG(found.st_mode):
        outputs.append((STANDARD_OUTPUT, stdout))
    sources = {known: each for each in read if not is_stream(each) for known in _known(each)}
    taken: dict[object, tuple[str, Path]] = {}
    for name, path in outputs:
        names = _known(path)
        for known in names:
            if source := sources.get(known):
                raise UsageError(
                    f"{name} would overwrite '{source}', which is read; give it another name."
                )
            first, there = taken.get(known, ("", path))
            if first:
                raise UsageError(
                    f"{first} and {name} would both write '{there}'; give each a name of its own."
                )
        taken |= dict.fromkeys(names, (name, path))


def check_file(name: str, path: Path) -> None:
    """See that a file can be written later, as far as one can see without opening it.

    Raises
    ------
    UsageError
        If it cannot; names the option.
    """
    parent = path.absolute().parent
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if status(parent) is None:
            raise UsageError(
                f"There is no folder '{parent}', so '{path}' cannot be written; make it first."
            ) from error
        mode = 0
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{name}: '{path}' cannot be written: {reason}.") from error
    if stat.S_ISDIR(mode):
        raise UsageError(f"{name}: '{path}' cannot be written: it is a folder; name a file.")
    _check_access(name, path, path if mode else parent)


def check_folder(name: str, path: Path) -> None:
    """See that files can be written into a folder, which is made if it is not there.

    Raises
    ------
    UsageError
        If they cannot; names the option.
    """
    there = path.absolute()
    while status(there) is None and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise UsageError(f"{name}: '{path}' cannot be written: '{there}' is a file; name a folder.")
    _check_access(name, path, there)


def _check_access(name: str, path: Path, there: Path) -> None:
    if not os.access(there, os.W_OK):
        raise UsageError(f"{name}: '{path}' cannot be written: Permission denied.")


def _known(path: Path) -> set[object]:
    """Return by what a file is known, on some system: its name, and its number if it is there."""
    folded = unicodedata.normalize("NFC", os.path.realpath(path)).casefold()
    found = status(path)
    return {folded, (found.st_dev, found.st_ino)} if found else {folded}
