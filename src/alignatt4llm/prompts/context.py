"""What the model should know besides the speech: title, abstract, glossary, notes, documents.

The context stands in the prompt before the source, never inside its span. It is chosen anew when
an utterance begins, so that within an utterance the prompt's beginning stays the same and is not
computed again; a glossary term that is heard meanwhile is shown at once.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from alignatt4llm.errors import UsageError
from alignatt4llm.prompts.glossary import Term, without_control_tokens
from alignatt4llm.prompts.passages import Passages
from alignatt4llm.text.languages import Pair

BUDGET = 2000
"""Characters of context at most."""
RECENT = 60
"""Words heard lately by which passages are chosen."""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that may be shown, and how much of it.

    Attributes
    ----------
    title, abstract, notes
        Free text.
    glossary
        Terms and their translations.
    pair
        The direction that the glossary is for; None for whichever is translated.
    passages
        Indexed documents.
    shown
        Passages shown at most.
    budget
        Characters of the whole context at most.
    """

    title: str = ""
    abstract: str = ""
    notes: str = ""
    glossary: tuple[Term, ...] = ()
    pair: Pair | None = None
    passages: Passages | None = None
    shown: int = 3
    budget: int = BUDGET

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise UsageError(f"budget is {self.budget}; it counts characters, 1 or more.")

    def within(self, pair: Pair) -> "Context":
        """Return what of it is for a direction: a glossary of another one is left out."""
        return self if self.pair in (None, pair) else replace(self, glossary=())

    def block(self, heard: str) -> str:
        """Return the context for what has been heard lately, within the budget.

        When not everything fits, terms that are being said come first, then the title, the
        passages, the notes, the other terms and the abstract.
        """
        now = [term for term in self.glossary if term.heard_in(heard)]
        later = [term for term in self.glossary if term not in now]
        passages = self.passages.about(heard, self.shown) if self.passages else []
        parts = {
            "now": [str(term) for term in now],
            "title": _labelled("Title", self.title),
            "passages": [without_control_tokens(passage) for passage in passages],
            "notes": _labelled("Notes", self.notes),
            "later": [str(term) for term in later],
            "abstract": _labelled("Abstract", self.abstract),
        }
        left = self.budget
        for name, lines in parts.items():
            parts[name], left = _fit(lines, left, whole=name in ("now", "later"))
        order = ("title", "abstract", "notes", "passages", "now", "later")
        return "\n".join(line for name in order for line in parts[name])

    def missing(self, block: str, heard: str) -> set[Term]:
        """Return the terms that are said in ``heard`` and not shown in a block."""
        lines = set(block.split("\n"))
        return {term for term in self.glossary if str(term) not in lines and term.heard_in(heard)}


class Shown:
    """The context that one stream is shown.

    It is chosen when an utterance begins; within it, only a term that is said and not shown yet
    makes it chosen anew.

    Parameters
    ----------
    context
        What may be shown.
    separator
        What joins the words of the source.
    """

    def __init__(self, context: Context, separator: str = " ") -> None:
        self._context = context
        self._separator = separator
        self._before: deque[str] = deque(maxlen=RECENT)
        self._block: str | None = None
        self._unfit: set[Term] = set()  # terms for which there is no room in this utterance

    def block(self, words: Sequence[str]) -> str:
        """Return the context for the open utterance, of which these words are visible."""
        heard = self._separator.join(words)
        if self._block is None or self._context.missing(self._block, heard) - self._unfit:
            recent = [*self._before, *words][-RECENT:]
            self._block = self._context.block(self._separator.join(recent))
            self._unfit |= self._context.missing(self._block, heard)
        return self._block

    def close(self, words: Sequence[str]) -> None:
        """Note that an utterance of these words has ended: another begins."""
        self._before.extend(words)
        self._block = None
        self._unfit = set()


def _labelled(label: str, text: str) -> list[str]:
    return [f"{label}: {plain}"] if (plain := without_control_tokens(text)) else []


def _fit(lines: Sequence[str], left: int, whole: bool) -> tuple[list[str], int]:
    """Take lines, each with its line end, as long as they fit; the last may be cut at a word."""
    taken = []
    for line in lines:
        if len(line) + 1 > left and whole:
            continue
        fits = line if len(line) + 1 <= left else line[: max(0, left - 1)].rpartition(" ")[0]
        if fits:
            taken.append(fits)
            left -= len(fits) + 1
    return taken, left
