"""The one dial: what ``--latency low|medium|high`` sets."""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from alignatt4llm.errors import UsageError
from alignatt4llm.policy.alignatt import AlignAttSettings
from alignatt4llm.policy.closings import Closings
from alignatt4llm.recognizers.agreement import HOLD_BACK
from alignatt4llm.session import SessionSettings
from alignatt4llm.transcript import SourceSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Latency:
    """A setting of the dial.

    Attributes
    ----------
    chunk
        Seconds of audio per step.
    hold_back
        Seconds of audio that must follow a word before the recogniser may commit it.
    policy, session
        Thresholds of AlignAtt, and of the session.
    """

    chunk: float
    policy: AlignAttSettings
    session: SessionSettings = SessionSettings()
    hold_back: float = HOLD_BACK

    def __post_init__(self) -> None:
        if self.chunk <= 0:
            raise UsageError(f"chunk is {self.chunk}; it must be above 0 seconds.")
        if self.hold_back < 0:
            raise UsageError(f"hold_back is {self.hold_back}; it must be 0 seconds or more.")

    def closing(self, closings: Closings) -> "Latency":
        """Return the same setting with utterances that close as said."""
        session = self.session
        source = replace(session.source, stops=closings.stops, gap=closings.gap)
        unread = session.unread if closings.heads else None
        return replace(self, session=replace(session, source=source, unread=unread))


LATENCIES = {
    "low": Latency(
        0.5,
        AlignAttSettings(max_inaccessible=0.5),
        SessionSettings(SourceSettings(trust=0.3)),
    ),
    "medium": Latency(0.7, AlignAttSettings(max_inaccessible=0.3)),
    "high": Latency(1.4, AlignAttSettings(max_inaccessible=0.1)),
}
"""Chosen on talks; see docs/log/settings.md."""


def chosen_latency(latency: str | Latency) -> Latency:
    """Return a setting of the dial by its name, or settings as they are.

    Raises
    ------
    UsageError
        If there is no such name.
    """
    if isinstance(latency, Latency):
        return latency
    if latency not in LATENCIES:
        raise UsageError(f"There is no latency '{latency}'; it is one of {', '.join(LATENCIES)}.")
    return LATENCIES[latency]


def changed(settings: T, name: str, text: str) -> T:
    """Return settings with one value replaced, wherever in them it stands.

    Raises
    ------
    UsageError
        If no value has that name or the text is none for it; the message lists the names.
    """
    found = _replaced(settings, name, text)
    if found is None:
        names = ", ".join(sorted(_names(settings)))
        raise UsageError(f"There is no setting '{name}'. There are: {names}.")
    return found


def _replaced(settings: T, name: str, text: str) -> T | None:
    for key, value in _values(settings):
        if is_dataclass(value):
            inner = _replaced(value, name, text)
            if inner is not None:
                return replace(settings, **{key: inner})  # type: ignore[type-var]
        elif key == name:
            try:
                return replace(settings, **{key: _read(text, value)})  # type: ignore[type-var]
            except ValueError as problem:
                raise UsageError(f"'{text}' is no value for {name}.") from problem
    return None


def _read(text: str, before: Any) -> Any:
    """Read a value of the kind that there was before."""
    if isinstance(before, bool):
        return bool(("false", "true").index(text.lower()))
    kind = float if before is None else type(before)
    return kind(text)


def _names(settings: object) -> set[str]:
    found: set[str] = set()
    for key, value in _values(settings):
        found |= _names(value) if is_dataclass(value) else {key}
    return found


def _values(settings: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(settings, field.name)) for field in fields(settings)]
