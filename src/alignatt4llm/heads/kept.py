"""Head sets that were calibrated on this machine: artefacts in a folder of the user's, for good."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from platformdirs import user_data_path

from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import load_head_set

_SIGNS = 12
"""Hexadecimal digits in the name of a file that stand for the key."""
_REST = 32
"""Hexadecimal digits of a key that stand for what is not the weights."""


def kept_folder() -> Path:
    """Return the folder: ``ALIGNATT_HEADS``, or one among the user's data."""
    chosen = os.environ.get("ALIGNATT_HEADS")
    return Path(chosen).expanduser().absolute() if chosen else user_data_path("alignatt4llm/heads")


def kept_key(weights: str, *others: str) -> str:
    """Return the key of what a set is calibrated on; it begins with the weights.

    It is empty where these are not known.
    """
    rest = hashlib.sha256("\n".join(others).encode()).hexdigest()[:_REST]
    return f"{weights}-{rest}" if weights else ""


def keep_set(heads: HeadSet, key: str) -> Path:
    """Keep a head set under the key of what it was calibrated on; return its file.

    Raises
    ------
    AlignattError
        If it cannot be written.
    """
    path = kept_folder() / f"{_plain(heads.model)}_{heads.pair}_{_sign(key)}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise AlignattError(
            f"'{path.parent}' cannot be made: {problem.strerror}. Set ALIGNATT_HEADS to a folder "
            "that can be written."
        ) from problem
    replace(heads, origin={**heads.origin, "key": key}).save(path)
    return path


def kept_set(model: str, pair: str, key: str = "") -> HeadSet | None:
    """Return the set that is kept for a model and direction; None if none is.

    Parameters
    ----------
    model
        Short name.
    pair
        Direction, as ``en-de``.
    key
        As for `keep_set`, or how it begins, which the weights decide; without one, that of any
        model of the name will do.
    """
    return next((heads for heads in kept_sets(model, pair) if suits(heads, key)), None)


def suits(heads: HeadSet, key: str) -> bool:
    """Whether a kept set is that of a key; see `kept_set`."""
    return str(heads.origin.get("key", "")).startswith(key)


def kept_sets(model: str, pair: str = "*") -> Iterator[HeadSet]:
    """Give the readable sets that are kept for a model, of one direction or all."""
    for path in sorted(kept_folder().glob(f"{_plain(model)}_{pair}_{'?' * _SIGNS}.json")):
        with suppress(AlignattError):
            found = load_head_set(path)
            if found.model == model:
                yield found


def _sign(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:_SIGNS]


def _plain(name: str) -> str:
    return re.sub(r"[^\w.+-]", "-", name)
