"""What every policy is given and what it answers."""

from dataclasses import dataclass
from typing import Protocol

from alignatt4llm.draft import Draft, Judge, TokenEvidence

COPIED = "source_copied"
"""The one reason for a hold that more of the same draft may lift."""


@dataclass(frozen=True, slots=True)
class View:
    """The source and target of the open utterance when a draft is decided on.

    Attributes
    ----------
    words
        The visible source words.
    frontier
        How many of them are accessible.
    accepted
        Target text that has been said.
    """

    words: tuple[str, ...]
    frontier: int
    accepted: str


class Policy(Protocol):
    """Decides how much of a draft may be said."""

    def decide(self, draft: Draft, view: View) -> list[TokenEvidence]:
        """Say of each draft token where it looks and why it must be held, if it must.

        What follows the first held token is held with it. The draft's own evidence, if it has
        any, was judged in this view and is taken as it is.
        """
        ...

    def judge(self, view: View) -> Judge | None:
        """Return what judges tokens while they are drafted: one that it holds ends the draft.

        None if tokens can only be judged with the whole draft.
        """
        ...
