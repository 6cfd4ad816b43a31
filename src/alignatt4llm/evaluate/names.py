"""What can be measured, by name: every policy, and offline translation."""

from alignatt4llm.policy.table import spellings

OFFLINE = "offline"
"""Stands among the policies for the model translating whole segments."""


def measurable() -> list[str]:
    """Return the names that ``--policy`` takes."""
    return [*spellings(), OFFLINE]
