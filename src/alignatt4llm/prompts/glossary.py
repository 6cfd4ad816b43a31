"""Terms that must be translated in a given way: read, shown to the model, and checked."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alignatt4llm.errors import UsageError
from alignatt4llm.events import Close
from alignatt4llm.files.reading import read_lines
from alignatt4llm.text.languages import unspaced


@dataclass(frozen=True, slots=True)
class Term:
    """An entry of the glossary."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source} = {self.target}"

    def heard_in(self, text: str) -> bool:
        """Whether the source term is said in ``text``: as whole words, where words have spaces."""
        text, term = _folded(text), _folded(self.source)
        if term not in text:
            return False
        before = "" if unspaced(term[0]) else r"(?<!\w)"
        after = "" if unspaced(term[-1]) else r"(?:s|es)?(?!\w)"
        return bool(re.search(before + re.escape(term) + after, text))

    def said_in(self, text: str) -> bool:
        """Whether the translation stands in ``text``, also inside a longer word."""
        return _folded(self.target) in _folded(text)


@dataclass(frozen=True, slots=True)
class Usage:
    """How often a term was heard, and how often its translation was said there."""

    term: Term
    heard: int
    said: int


def check(glossary: Sequence[Term], closed: Sequence[Close]) -> list[Usage]:
    """Count, for every term that was heard, the utterances that say it as the glossary wants.

    Target text may stand one utterance away from its source where a sentence was cut; the
    neighbours count.

    Parameters
    ----------
    glossary
        The terms.
    closed
        The closed utterances of a session, in order.
    """
    found = []
    for term in glossary:
        heard = [i for i, utterance in enumerate(closed) if term.heard_in(utterance.source)]
        said = sum(
            any(term.said_in(near.target) for near in closed[max(0, i - 1) : i + 2]) for i in heard
        )
        if heard:
            found.append(Usage(term, len(heard), said))
    return found


def report(usages: Sequence[Usage]) -> str:
    """Say in a line or two how the glossary was kept; empty if no term was heard."""
    if not usages:
        return ""
    said, heard = sum(usage.said for usage in usages), sum(usage.heard for usage in usages)
    missed = [f"{usage.term} ({usage.said} of {usage.heard})" for usage in usages]
    missed = [text for text, usage in zip(missed, usages, strict=True) if usage.said < usage.heard]
    line = f"glossary: {said} of {heard} terms heard were said as asked"
    return f"{line}; not always: {', '.join(missed)}" if missed else line


def read_glossary(path: Path) -> tuple[Term, ...]:
    """Read a glossary: one ``term = translation`` a line; empty lines and ``#`` lines are skipped.

    Raises
    ------
    UsageError
        If the file cannot be read or a line is something else.
    """
    terms = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        source, equals, target = (without_control_tokens(part) for part in line.partition("="))
        if not (source and equals and target):
            raise UsageError(f"'{path}', line {number}: write 'term = translation'.")
        terms.append(Term(source, target))
    return tuple(terms)


def _folded(text: str) -> str:
    """Text without case, its accents encoded in one way."""
    return unicodedata.normalize("NFC", text).casefold()


def without_control_tokens(text: str) -> str:
    """One line without control tokens: what stands in angle brackets is left out."""
    return " ".join(re.sub(r"<[^<>\s]{1,40}>|[\u2402\u2403]", " ", text).split())
