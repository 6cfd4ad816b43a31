"""From decisions on tokens to text that may be said: unit boundaries, full stops, loops."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alignatt4llm.draft import Draft, TokenEvidence
from alignatt4llm.events import Piece, TokenTrace
from alignatt4llm.text.languages import Language
from alignatt4llm.text.sentences import without_full_stop
from alignatt4llm.text.units import trim


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What is accepted of a draft.

    Attributes
    ----------
    cut
        Characters of the draft that are accepted.
    pieces
        The accepted text, token by token, with the source word of each.
    tokens
        The evidence on every draft token; the first that is held has its reason, and so has
        everything after it.
    reason
        Why the rest is held; empty when nothing is left.
    """

    cut: int
    pieces: list[Piece]
    tokens: list[TokenEvidence]
    reason: str


def accept(draft: Draft, evidence: Sequence[TokenEvidence], language: Language) -> Acceptance:
    """Accept a draft up to the first token that must be held, cut back to a unit boundary.

    A full stop at the end is held while the utterance is open: the sentence may go on, and the
    close will say it.
    """
    held = next((i for i, token in enumerate(evidence) if token.hold), len(evidence))
    cut = trim(draft.text, draft.ends[held - 1] if held else 0, language, draft.over)
    reason = evidence[held].hold if held < len(evidence) else "unit_incomplete"
    bare = len(without_full_stop(draft.text, language))
    if bare < cut:
        cut, reason = bare, reason if held < len(evidence) else "sentence_open"
    tokens = [
        token if token.hold or end <= cut else replace(token, hold=reason)
        for token, end in zip(evidence, draft.ends, strict=True)
    ]
    remains = draft.text[cut:].strip()
    return Acceptance(cut, pieces(draft, evidence, cut), tokens, reason if remains else "")


def accept_all(draft: Draft, evidence: Sequence[TokenEvidence], language: Language) -> list[Piece]:
    """Accept a draft whose source is complete; only an unfinished last unit is left out."""
    cut = trim(draft.text, len(draft.text), language, draft.over)
    return pieces(draft, evidence, len(draft.text[:cut].rstrip()))


def pieces(draft: Draft, evidence: Sequence[TokenEvidence], cut: int) -> list[Piece]:
    """Cut the first ``cut`` characters of a draft into one piece a token."""
    result, start = [], 0
    for token, end in zip(evidence, draft.ends, strict=True):
        text = draft.text[start : min(end, cut)]
        if text:
            result.append(Piece(text, token.word, token.sources))
        start = max(start, end)
    return result


def traced(
    draft: Draft, words: Sequence[str], tokens: Sequence[TokenEvidence]
) -> tuple[TokenTrace, ...]:
    """Put what was decided on each token beside its text, and the word that it looks at."""
    return tuple(
        TokenTrace(
            draft.text[start:end],
            words[token.word] if token.word >= 0 else "",
            token.accessible,
            token.inaccessible,
            token.source_mass,
            token.hold,
            token.sources,
        )
        for token, start, end in zip(tokens, (0, *draft.ends), draft.ends, strict=False)
    )
