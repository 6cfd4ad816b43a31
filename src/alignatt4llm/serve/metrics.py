"""Numbers for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from alignatt4llm.events import Event, Preview, Trace


class Metrics:
    """What one server counts; every server of a process has its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.sessions = Gauge(
            "alignatt_sessions", "Sessions that hold a place", ["client"], registry=self.registry
        )
        self.ended = Counter(
            "alignatt_sessions_ended", "Sessions that ended", ["reason"], registry=self.registry
        )
        self.lag = Histogram(
            "alignatt_lag_seconds",
            "Audio received and not yet translated, after each chunk",
            buckets=(0.5, 1, 2, 3, 5, 8, 13, 20, 30),
            registry=self.registry,
        )
        self.rtf = Histogram(
            "alignatt_real_time_factor",
            "Seconds of work for a second of audio, of each chunk",
            buckets=(0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 4),
            registry=self.registry,
        )
        self.tokens = Counter(
            "alignatt_draft_tokens", "Draft tokens decided on", ["decision"], registry=self.registry
        )
        self.holds = Counter(
            "alignatt_holds", "Drafts of which a part was held", ["reason"], registry=self.registry
        )
        self.drops = Counter(
            "alignatt_drops", "Clients refused or lost", ["reason"], registry=self.registry
        )

    def count(self, event: Event) -> None:
        """Count what an event says about decisions."""
        if isinstance(event, Trace):
            held = sum(bool(token.hold) for token in event.tokens)
            self.tokens.labels("held").inc(held)
            self.tokens.labels("accepted").inc(len(event.tokens) - held)
        elif isinstance(event, Preview) and event.reason:
            self.holds.labels(event.reason).inc()

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
