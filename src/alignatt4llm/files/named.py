"""Names that people give of media: a file, or an address."""

import os
from errno import ENAMETOOLONG
from pathlib import Path
from urllib.parse import unquote


def local(name: str) -> Path | None:
    """Return the file that a name means, whether it is there or not; None for an address.

    What is there under that name is a file, whatever the name looks like. Else ``file:`` is
    followed by a path as it is, ``file://`` by one with its signs encoded.
    """
    if exists(name):
        return Path(name)
    plain = name.removeprefix("file:")
    if plain != name and plain.startswith("//"):
        host, slash, rest = plain.removeprefix("//").partition("/")
        return Path(unquote(("" if host == "localhost" else host) + slash + rest))
    return None if plain == name and "://" in name else Path(plain)


def exists(name: str) -> bool:
    """Whether there is a file of this name."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long for a name
        return False


def is_file(path: Path) -> bool:
    """Whether this is a file that can be seen, links followed."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether this is a folder that can be seen, links followed."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def impossible(path: Path) -> str | None:
    """Return why no file can have this name; None if one can."""
    try:
        path.lstat()
    except ValueError as error:
        return str(error)
    except OSError as error:
        return error.strerror if error.errno == ENAMETOOLONG else None
    return None


def absolute(path: Path) -> Path:
    """Return a path from the root on, without ``..``, links left as they are where that is safe."""
    plain = Path(os.path.abspath(path))  # noqa: PTH100 - which does not follow links
    same = not exists(str(path)) or (exists(str(plain)) and plain.samefile(path))
    return plain if same else path.resolve()
