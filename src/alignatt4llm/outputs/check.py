"""Which rules the cues of a file break, and where."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from alignatt4llm.outputs.cues import Cue
from alignatt4llm.outputs.rules import Rules
from alignatt4llm.text.width import width


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a cue breaks.

    Attributes
    ----------
    cue
        The number of the cue in its file, from 1.
    start, end
        When it shows, in milliseconds.
    rule
        Name of the rule: a field of `Rules`, or ``empty``, ``order`` or ``overlap``.
    found, allowed
        What it has and what the rule says: characters, lines, characters a second or seconds.
    text
        The cue, or the line that is too long.
    """

    cue: int
    start: int
    end: int
    rule: str
    found: float
    allowed: float
    text: str

    def __str__(self) -> str:
        return SENTENCES[self.rule].format(found=self.found, allowed=self.allowed)


SENTENCES = {
    "line": "a line of {found:g} characters, {allowed:g} at most",
    "lines": "{found:g} lines, {allowed:g} at most",
    "speed": "{found:.1f} characters a second, {allowed:g} at most",
    "shortest": "shows for {found:.3f} s, {allowed:.3f} s at least",
    "longest": "shows for {found:.3f} s, {allowed:.3f} s at most",
    "gap": "{found:.3f} s before the next, {allowed:.3f} s at least",
    "bridge": "{found:.3f} s before the next: leave {allowed:.3f} s or close the gap",
    "overlap": "the next begins {found:.3f} s before it ends",
    "order": "ends {found:.3f} s after it begins",
    "empty": "holds no text",
}
"""What each rule says of a cue that breaks it."""


def violations(cues: Sequence[Cue], rules: Rules, resolution: int = 1) -> list[Violation]:
    """Return every violation, in the order of the cues.

    Parameters
    ----------
    cues
        As they stand in their file; where that is not the order in which they show, each is
        compared with the one that shows next.
    rules
        What they should keep to.
    resolution
        Milliseconds by which times may be off, being rounded.
    """
    found = [
        Violation(number, cue.start, cue.end, *one)
        for number, cue in enumerate(cues, 1)
        for one in _alone(cue, rules, resolution)
    ]
    shown = sorted(enumerate(cues, 1), key=lambda entry: (entry[1].start, entry[1].end))
    for (number, cue), (_, after) in pairwise(shown):
        between = _between(cue, after, rules, resolution)
        found.extend(Violation(number, cue.start, cue.end, *one) for one in between)
    return sorted(found, key=lambda violation: violation.cue)


def within(cues: Sequence[Cue], broken: Iterable[Violation]) -> float:
    """Return the share of cues that break no rule; 1 if there are none."""
    wrong = {violation.cue for violation in broken}
    return 1 - len(wrong) / len(cues) if cues else 1.0


def characters(cue: Cue, rules: Rules) -> float:
    """Count what is to be read of a cue."""
    return sum(width(line, rules.halves) for line in cue.lines)


_Found = tuple[str, float, float, str]


def _alone(cue: Cue, rules: Rules, resolution: int) -> Iterator[_Found]:
    text, length = " ".join(cue.lines), cue.end - cue.start
    if not text:
        yield "empty", 0, 1, text
    if length <= 0:
        yield "order", length / 1000, 0, text
    for line in cue.lines:
        if (long := width(line, rules.halves)) > rules.line:
            yield "line", long, rules.line, line
    if len(cue.lines) > rules.lines:
        yield "lines", len(cue.lines), rules.lines, text
    if length > 0:
        yield from _lasting(cue, rules, length / 1000, resolution / 1000, text)


def _lasting(
    cue: Cue, rules: Rules, length: float, resolution: float, text: str
) -> Iterator[_Found]:
    read = characters(cue, rules)
    if read / (length + resolution) > rules.speed:
        yield "speed", read / length, rules.speed, text
    if length + resolution < rules.shortest:
        yield "shortest", length, rules.shortest, text
    if length - resolution > rules.longest:
        yield "longest", length, rules.longest, text


def _between(cue: Cue, after: Cue, rules: Rules, resolution: int) -> Iterator[_Found]:
    gap, text = (after.start - cue.end) / 1000, " ".join(cue.lines)
    least, most = rules.gap + resolution / 1000, rules.bridge - resolution / 1000
    if gap < 0:
        yield "overlap", -gap, 0, text
    elif gap + resolution / 1000 < rules.gap:
        yield "gap", gap, rules.gap, text
    elif least < gap < most:
        yield "bridge", gap, rules.bridge, text
