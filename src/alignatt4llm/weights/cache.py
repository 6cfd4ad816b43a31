"""The cache of prepared models: a folder each, complete or absent, with a manifest of hashes."""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_path

from alignatt4llm.errors import AlignattError
from alignatt4llm.weights.wheels import sha256_of

MANIFEST = "manifest.json"
VERSION = 1
"""Version of how models are prepared; folders of another version are made anew."""


def cache_root() -> Path:
    """Return the folder of the cache: ``ALIGNATT_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("ALIGNATT_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else user_cache_path("alignatt4llm")


def cached(name: str, source: str) -> Path | None:
    """Return a prepared folder if it is there, complete and made from ``source``.

    Sizes are compared, hashes are not; `verify` does that.
    """
    folder = cache_root() / name
    with suppress(OSError, ValueError, KeyError, TypeError):
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        files = manifest["files"].items()
        if (
            manifest["version"] == VERSION
            and manifest["source"] == source
            and all((folder / file).stat().st_size == entry["bytes"] for file, entry in files)
        ):
            return folder
    return None


def prepare(name: str, source: str, fill: Callable[[Path], None]) -> Path:
    """Return a prepared folder, making it first if need be.

    The folder appears under its name only when all of it is written. Of several processes that
    want it at once, one makes it and the others wait.

    Parameters
    ----------
    name
        Name of the folder.
    source
        SHA-256 of what it is made from; a folder made from something else is replaced.
    fill
        Writes the files into the empty folder it is given.

    Raises
    ------
    AlignattError
        If the cache cannot be written, or from ``fill``.
    """
    if ready := cached(name, source):
        return ready
    folder = cache_root() / name
    partial = folder.with_name(f".{name}.partial")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{name}.lock")):
            if ready := cached(name, source):
                return ready
            _remove(partial)
            try:
                partial.mkdir()
                fill(partial)
                _write_manifest(partial, source)
                _remove(folder)
                partial.replace(folder)
            finally:
                _remove(partial)
    except OSError as problem:
        raise AlignattError(
            f"'{folder}' cannot be written: {problem.strerror or problem}. Free some space, or "
            "set ALIGNATT_CACHE to a folder with enough of it."
        ) from problem
    return folder


def verify(folder: Path) -> None:
    """Compare every file of a prepared folder with its hash.

    Raises
    ------
    AlignattError
        If a file has changed or is missing.
    """
    for file, entry in _read_manifest(folder)["files"].items():
        path = folder / file
        actual = sha256_of(path) if path.is_file() else "missing"
        if actual != entry["sha256"]:
            raise AlignattError(
                f"'{path}' has changed: its SHA-256 is {actual}, expected {entry['sha256']}. "
                f"Delete the folder '{folder}'; it is made anew when it is next needed."
            )


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise AlignattError(
            f"'{folder}' has no readable {MANIFEST}. Delete the folder; it is made anew when it "
            "is next needed."
        ) from problem
    return manifest


def _write_manifest(folder: Path, source: str) -> None:
    files = {
        path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
    }
    manifest = {"version": VERSION, "source": source, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
