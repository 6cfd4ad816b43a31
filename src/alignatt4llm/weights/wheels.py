"""Model files that come inside installed wheels, in parts: find them, join them, verify them.

The wheels are data. Their code is never imported, and nothing of theirs is used before its hash
has been compared.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from alignatt4llm.errors import AlignattError, install

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class WheelFile:
    """One file, possibly in parts spread over several wheels.

    Attributes
    ----------
    name
        What the whole file is called.
    sha256
        Hash of the whole file.
    parts
        Where its parts are, in order, each as ``package/data/file``.
    """

    name: str
    sha256: str
    parts: tuple[str, ...]

    @property
    def installed(self) -> bool:
        """Whether all the parts are there."""
        return all(_locate(part) for part in self.parts)

    def join(self, folder: Path) -> Path:
        """Write the whole file into ``folder`` and return its path.

        Raises
        ------
        AlignattError
            If a part is missing or the hash is not the expected one; nothing is left behind then.
        """
        target = folder / self.name
        digest = hashlib.sha256()
        with target.open("wb") as whole:
            for block in self._blocks():
                digest.update(block)
                whole.write(block)
        if digest.hexdigest() != self.sha256:
            target.unlink()
            packages = dict.fromkeys(part.split("/")[0] for part in self.parts)
            raise AlignattError(
                f"{self.name} is not the file it should be: its SHA-256 is {digest.hexdigest()}, "
                f"expected {self.sha256}. It has not been used. Reinstall what it comes from with "
                f"{install('--force-reinstall', '--no-deps', *_pip_names(packages))}."
            )
        return target

    def _blocks(self) -> Iterator[bytes]:
        for part in self.parts:
            path = _locate(part)
            if path is None:
                raise AlignattError(f"{self.name} is incomplete: '{part}' is not installed.")
            with path.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    yield block


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _locate(part: str) -> Path | None:
    """Find a file of an installed package without importing the package."""
    package, _, file = part.partition("/")
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / file
        if path.is_file():
            return path
    return None


def _pip_names(packages: Iterable[str]) -> list[str]:
    return [package.replace("_", "-") for package in packages]
