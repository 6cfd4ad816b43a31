"""Names that people give of media: a file, or an address."""

import os
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


def absolute(path: Path) -> Path:
    """Return a path from the root on, without ``..``, links left as they are where that is safe."""
    plain = Path(os.path.abspath(path))  # noqa: PTH100 - which does not follow links
    same = not path.exists() or (plain.exists() and plain.samefile(path))
    return plain if same else path.resolve()
