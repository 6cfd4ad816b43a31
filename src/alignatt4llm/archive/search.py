"""The recordings of a folder and of the folders in it."""

import os
from collections.abc import Iterator
from pathlib import Path

from alignatt4llm.archive.media import has_sound
from alignatt4llm.errors import Tell
from alignatt4llm.files.named import exists, is_file

_MEDIA = """
3g2 3gp aac ac3 aif aiff amr ape asf au avi caf dts dv eac3 f4v flac flv m2ts m4a m4b m4v mka mkv
mov mp2 mp3 mp4 mpeg mpg mts mxf oga ogg ogm ogv opus ra rm rmvb spx vob w64 wav weba webm wma wmv
wv
"""
MEDIA = frozenset(_MEDIA.split())
"""Suffixes of recordings; what is called so and cannot be read is a fault, not left out."""
UNFINISHED = ("part", "partial", "crdownload", "download", "tmp", "temp")
"""Suffixes of files that somebody is still writing."""


def search(folder: Path, leave_out: Path, tell: Tell) -> list[Path]:
    """Return what has sound or is called like it, in order of name.

    Links are followed, once to every folder. Hidden files and folders are not looked at.

    Parameters
    ----------
    folder
        Where to begin.
    leave_out
        A folder that is not looked into, unless it is the one where to begin.
    tell
        Is told how many files are left out, and which folders cannot be read.
    """
    found, others = [], 0
    for path in _files(folder, os.path.realpath(leave_out), tell):
        if _is_recording(path):
            found.append(path)
        else:
            others += 1
    if others:
        tell(f"'{folder}': files without sound are left out: {others}.")
    return found


def _files(folder: Path, leave_out: str, tell: Tell) -> Iterator[Path]:
    seen = {os.path.realpath(folder)} | {leave_out}

    def unread(error: OSError) -> None:
        tell(f"'{error.filename}' cannot be read and is left out: {error.strerror}.")

    for parent, folders, names in os.walk(folder, onerror=unread, followlinks=True):
        fresh = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(parent, name))  # noqa: PTH118 - as walk has it
            if not name.startswith(".") and real not in seen:
                seen.add(real)
                fresh.append(name)
        folders[:] = fresh
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def _is_recording(path: Path) -> bool:
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in UNFINISHED:
        return False
    if suffix in MEDIA:
        return is_file(path) or not exists(str(path))  # a link to nothing is a fault
    return is_file(path) and has_sound(path)
