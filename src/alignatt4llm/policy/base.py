"""What every policy is given and what it answers."""

from dataclasses import dataclass
from typing import Protocol

from alignatt4llm.draft import Draft, Stop
from alignatt4llm.events import Sources

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


@dataclass(frozen=True, slots=True)
class TokenEvidence:
    """What the rows say about one draft token.

    Attributes
    ----------
    word
        Source word it looks at most (index into the visible words); -1 when there is none.
    accessible, inaccessible
        Shares of its source attention on words that may, or may not, be relied on.
    source_mass
        Share of its whole attention that lies on the source.
    hold
        Why it is held; empty when it is not.
    sources
        The source words it looks at most, strongest first, each with its share of the token's
        source attention.
    """

    word: int
    accessible: float
    inaccessible: float
    source_mass: float
    hold: str = ""
    sources: Sources = ()


class Policy(Protocol):
    """Decides how much of a draft may be said."""

    def decide(self, draft: Draft, view: View) -> list[TokenEvidence]:
        """Say of each draft token where it looks and why it must be held, if it must.

        What follows the first held token is held with it.
        """
        ...

    def stop(self, view: View) -> Stop | None:
        """Return what ends drafting early: a token that would be held whatever follows."""
        ...
