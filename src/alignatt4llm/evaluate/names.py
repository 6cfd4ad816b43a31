"""What can be measured, by name: every policy, offline translation, and where utterances close."""

from collections.abc import Iterable, Iterator

from alignatt4llm.policy.closings import BY_HEADS, Closings
from alignatt4llm.policy.table import kind_of, spellings

OFFLINE = "offline"
"""Stands among the policies for the model translating whole segments."""
OWN, HEADS = CLOSINGS = ("own", "heads")
"""Utterances close as is usual for a policy, or a rival is lent the closings of the heads."""


def measurable() -> list[str]:
    """Return the names that ``--policy`` takes."""
    return [*spellings(), OFFLINE]


def is_lent(policy: str) -> bool:
    """Whether there are two ways in which utterances may close under a policy.

    Raises
    ------
    UsageError
        If there is no such policy.
    """
    return policy != OFFLINE and kind_of(policy).may_be_lent


def closings(policy: str, name: str) -> Closings:
    """Return where utterances close under a policy; ``name`` is one of `CLOSINGS`."""
    kind = kind_of(policy)
    return BY_HEADS if name == HEADS and kind.may_be_lent else kind.closings


def distinct(policy: str, names: Iterable[str]) -> Iterator[str]:
    """Yield those of `CLOSINGS` that differ under a policy."""
    yield from dict.fromkeys(names if is_lent(policy) else [OWN])


def run_name(pair: str, policy: str, latency: str, closes: str, changes: Iterable[str] = ()) -> str:
    """Return the name of a run's folder among others; ``changes`` are as in ``chunk=1.0``."""
    lent = [closes] if is_lent(policy) else []
    return ".".join([pair, policy.replace(":", "-"), latency, *lent, *changes])
