"""Committed text, one utterance at a time."""

from alignatt4llm.events import Close, Commit


class Utterances:
    """The committed text of the open utterance.

    Attributes
    ----------
    text
        What has been said and not yet closed.
    """

    def __init__(self) -> None:
        self.text = ""

    def say(self, commit: Commit) -> None:
        """Take committed text."""
        self.text += commit.text

    def close(self, close: Close) -> str:
        """Return the text of a closed utterance; what ran ahead of it opens the next."""
        said, cut = self.text.lstrip(), len(close.target)
        self.text = said[cut:]
        return said[:cut]
