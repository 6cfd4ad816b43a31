"""The table of policies: what can decide how much of a draft is said.

A policy is a class in a module beside this one, and a line in `POLICIES`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from alignatt4llm.errors import UsageError
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.policy.alignatt import AlignAtt, AlignAttSettings
from alignatt4llm.policy.base import Policy
from alignatt4llm.policy.closings import BY_HEADS, BY_PAUSES, BY_SOURCE, Closings
from alignatt4llm.policy.published import PublishedAlignAtt
from alignatt4llm.policy.rivals import Confidence, FixedCut, LocalAgreement, Sentence, WaitK
from alignatt4llm.text.languages import Language


@dataclass(frozen=True, slots=True)
class Given:
    """What a policy is made from.

    Attributes
    ----------
    heads
        Head set whose rows drafts carry.
    settings
        Thresholds of AlignAtt.
    target
        Language of the drafts.
    number
        What stands behind the colon of its name, as in ``wait-k:5``.
    """

    heads: HeadSet
    settings: AlignAttSettings
    target: Language
    number: str


@dataclass(frozen=True, slots=True)
class PolicyKind:
    """A kind of policy.

    Attributes
    ----------
    help
        What it does, in a few words.
    make
        Makes one for a stream; it may raise ValueError at the number.
    number
        The number it has by default; empty if it takes none.
    closings
        Where utterances close under it.
    """

    help: str
    make: Callable[[Given], Policy]
    number: str = ""
    closings: Closings = BY_SOURCE

    @property
    def may_be_lent(self) -> bool:
        """Whether it may be lent the closings of the heads: it has neither these nor others."""
        return self.closings == BY_SOURCE


POLICIES: dict[str, PolicyKind] = {
    "alignatt": PolicyKind(
        "AlignAtt", lambda given: AlignAtt(given.heads, given.settings), closings=BY_HEADS
    ),
    "published": PolicyKind("AlignAtt as published", lambda given: PublishedAlignAtt(given.heads)),
    "wait-k": PolicyKind(
        "k source words behind",
        lambda given: WaitK(given.heads, given.target, int(given.number)),
        "5",
    ),
    "pause-wait-k": PolicyKind(
        "wait-k in speech that is cut at pauses",
        lambda given: WaitK(given.heads, given.target, int(given.number)),
        "3",
        BY_PAUSES,
    ),
    "local-agreement": PolicyKind(
        "what n drafts agree on",
        lambda given: LocalAgreement(given.heads, given.target, int(given.number)),
        "2",
    ),
    "fixed-cut": PolicyKind(
        "all but n units", lambda given: FixedCut(given.heads, given.target, int(given.number)), "3"
    ),
    "confidence": PolicyKind(
        "what is likely enough",
        lambda given: Confidence(given.heads, given.target, float(given.number)),
        "0.5",
    ),
    "sentence": PolicyKind("whole sentences", lambda given: Sentence(given.heads, given.target)),
}
"""Every policy, under the name that ``--policy`` and presets take."""


def spellings() -> list[str]:
    """Return the policies as they are asked for, with their default numbers."""
    return [f"{name}:{kind.number}" if kind.number else name for name, kind in POLICIES.items()]


def kind_of(spelled: str) -> PolicyKind:
    """Return the kind of a policy by its name, with a number or without.

    Raises
    ------
    UsageError
        If there is no such policy.
    """
    name = spelled.partition(":")[0]
    if name not in POLICIES:
        raise UsageError(f"There is no policy '{name}'. There are: {', '.join(spellings())}.")
    return POLICIES[name]


def make_policy(
    spelled: str, heads: HeadSet, settings: AlignAttSettings, target: Language
) -> Policy:
    """Make a policy for one stream.

    Parameters
    ----------
    spelled
        Its name, with a number where it takes one: ``wait-k:5``.
    heads, settings, target
        As in `Given`.

    Raises
    ------
    UsageError
        If there is no such policy, or its number is none.
    """
    kind = kind_of(spelled)
    name, colon, number = spelled.partition(":")
    if colon and not kind.number:
        raise UsageError(f"'{spelled}': {name} takes no number.")
    try:
        return kind.make(Given(heads, settings, target, number or kind.number))
    except ValueError as problem:
        raise UsageError(f"'{spelled}': {number} is not a number.") from problem
