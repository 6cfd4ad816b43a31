"""The policies that AlignAtt is compared with, on the same drafts.

Each takes where a token comes from out of the same attention rows, since utterances need that
when they close, and decides by something else.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.draft import Draft, Judge, Rows, TokenEvidence
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.policy.alignatt import weigh
from alignatt4llm.policy.base import View
from alignatt4llm.text.languages import Language
from alignatt4llm.text.prefix import common_prefix
from alignatt4llm.text.units import unit_spans, units

CHARACTERS_PER_WORD = 1.9
"""Target characters that wait-k says for a source word, where the target unit is a character."""


@dataclass
class Rival:
    """A policy that looks at whole drafts; subclasses say how much of a draft is allowed."""

    heads: HeadSet
    target: Language

    def decide(self, draft: Draft, view: View) -> list[TokenEvidence]:
        """Hold what ends beyond the allowed characters; see `policy.base.Policy`."""
        allowed, reason = self.allowed(draft, view)
        evidence = weigh(self.heads, draft.rows, draft.words, view)
        return [
            token if end <= allowed else replace(token, hold=reason)
            for token, end in zip(evidence, draft.ends, strict=True)
        ]

    def judge(self, view: View) -> Judge | None:
        """Drafts are judged whole."""
        return None

    def allowed(self, draft: Draft, view: View) -> tuple[int, str]:
        """Return how many characters of the draft may be said, and why no more."""
        raise NotImplementedError


@dataclass
class WaitK(Rival):
    """Stay k source words behind (Ma et al., "STACL", 2019)."""

    k: int

    def allowed(self, draft: Draft, view: View) -> tuple[int, str]:
        """Allow a unit for each accessible word after the first k - 1."""
        rate = CHARACTERS_PER_WORD if self.target.by_character else 1
        most = int(max(0, view.frontier - self.k + 1) * rate)
        counts = (len(units(view.accepted + draft.text[:end], self.target)) for end in draft.ends)
        within = [end for end, count in zip(draft.ends, counts, strict=True) if count <= most]
        return max(within, default=0), "wait_k"


@dataclass
class FixedCut(Rival):
    """Hold the last n units of every draft (hold-n; Liu et al. 2020)."""

    n: int

    def allowed(self, draft: Draft, view: View) -> tuple[int, str]:
        """Allow all units but the last n."""
        ends = [end for _, end in unit_spans(draft.text, self.target)]
        return (ends[-self.n - 1] if len(ends) > self.n else 0), "fixed_cut"


@dataclass
class Confidence(Rival):
    """Hold from the first token that the model gives too small a probability."""

    least: float

    def allowed(self, draft: Draft, view: View) -> tuple[int, str]:
        """Allow the tokens before the first one below ``least``."""
        weak = np.flatnonzero(np.exp(draft.logprobs) < self.least)
        if not len(weak):
            return len(draft.text), ""
        return (draft.ends[weak[0] - 1] if weak[0] else 0), "unsure"


@dataclass
class LocalAgreement(Rival):
    """Say what the last n hypotheses agree on (Liu et al. 2020; n = 2 is the usual one).

    A hypothesis is the accepted target with its draft; a new one counts once the source has
    changed.
    """

    n: int

    recent: deque[tuple[tuple[str, ...], str]] = field(default_factory=deque, repr=False)

    def allowed(self, draft: Draft, view: View) -> tuple[int, str]:
        """Allow the common beginning of the hypotheses."""
        recent = self.recent
        if recent and recent[-1][0] == view.words:
            recent.pop()
        recent.append((view.words, (view.accepted + draft.text).lstrip()))
        if len(recent) > self.n:
            recent.popleft()
        if len(recent) < self.n:
            return 0, "disagreement"
        whole = recent[-1][1]
        common = min(common_prefix(whole, other) for _, other in recent)
        before = len((view.accepted + draft.text).lstrip()) - len(draft.text)
        return max(0, common - before), "disagreement"


@dataclass
class Sentence(Rival):
    """Say nothing before the utterance has ended."""

    def judge(self, view: View) -> Judge:
        """End every draft at once: nothing of it would be said."""
        return partial(self._held, view=view)

    def _held(self, rows: Rows, words: NDArray[np.int64], view: View) -> list[TokenEvidence]:
        evidence = weigh(self.heads, rows, words, view)
        return [replace(token, hold="sentence_open") for token in evidence]

    def allowed(self, draft: Draft, view: View) -> tuple[int, str]:
        """Allow nothing."""
        return 0, "sentence_open"
