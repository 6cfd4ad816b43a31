"""Which packages are installed here."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

OR = " or "
"""Stands between packages of which one is enough."""


def lacking(needs: Sequence[str]) -> list[str]:
    """Return which of the packages that something needs are not there; none is imported.

    Parameters
    ----------
    needs
        What is imported; ``a or b`` where either will do.
    """
    return [need for need in needs if not any(map(find_spec, need.split(OR)))]


def installed(package: str) -> str | None:
    """Return the version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
