"""Which weights are on this machine: a short sign that differs where they differ."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

_END = 1 << 20
"""Bytes at either end of a file that are looked at; reading all of it would take minutes."""
_WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt")


def identity(*places: str | Path) -> str:
    """Return a hash of the weights in files and folders: names, sizes, and what is at either end.

    What is no place on this machine, such as an address, counts as its name.
    """
    found = hashlib.sha256()
    for place in places:
        path = Path(place)
        if not path.exists():
            found.update(str(place).encode())
        for file in _files(path):
            found.update(f"{file.name} {file.stat().st_size}\n".encode())
            for part in _ends(file):
                found.update(part)
    return found.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix in _WEIGHTS)
    return [path] if path.is_file() else []


def _ends(file: Path) -> Iterator[bytes]:
    with file.open("rb") as data:
        yield data.read(_END)
        data.seek(max(0, file.stat().st_size - _END))
        yield data.read(_END)
