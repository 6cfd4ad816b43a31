"""The one dial: what ``--latency low|medium|high`` sets."""

from dataclasses import dataclass

from alignatt4llm.policy.alignatt import AlignAttSettings
from alignatt4llm.session import SessionSettings


@dataclass(frozen=True, slots=True)
class Latency:
    """A setting of the dial; ``chunk`` is in seconds."""

    chunk: float
    policy: AlignAttSettings
    session: SessionSettings = SessionSettings()


LATENCIES = {
    "low": Latency(0.6, AlignAttSettings(max_inaccessible=0.4)),
    "medium": Latency(1.0, AlignAttSettings(max_inaccessible=0.2)),
    "high": Latency(1.5, AlignAttSettings(max_inaccessible=0.1)),
}
