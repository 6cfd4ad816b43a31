"""Where a sentence or a clause ends."""

import re

_CLOSERS = "\"'”’“‘»«)]}」』"
_SENTENCE_END = re.compile(rf"[.!?…。！？]+[{re.escape(_CLOSERS)}]*$")
_CLAUSE_END = re.compile(rf"[,;:—–，；：、][{re.escape(_CLOSERS)}]*$")
_ABBREVIATION = re.compile(
    r"^[\"'(\[]*(\d{1,3}|[A-Z]|([A-Z]\.)+[A-Z]|mr|mrs|ms|dr|prof|st|vs|etc|fig|cf|al)\.$",
    re.IGNORECASE,
)


def ends_sentence(word: str) -> bool:
    """Whether a word carries a full stop that is not a number's, an initial's or a title's."""
    return bool(_SENTENCE_END.search(word)) and not _ABBREVIATION.match(word)


def ends_clause(word: str) -> bool:
    """Whether a word carries a comma or another sign at which one may pause."""
    return bool(_CLAUSE_END.search(word))


def without_full_stop(text: str) -> str:
    """Return text without the full stop at its end, the closers and spaces around it included."""
    return _SENTENCE_END.sub("", text.rstrip()).rstrip()
