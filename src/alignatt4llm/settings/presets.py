"""Whole systems by name: models and settings that go together."""

from dataclasses import dataclass, field, replace
from typing import Literal

from alignatt4llm.errors import UsageError
from alignatt4llm.policy.alignatt import AlignAttSettings
from alignatt4llm.session import SessionSettings
from alignatt4llm.settings.latency import LATENCIES, Latency
from alignatt4llm.transcript import SourceSettings
from alignatt4llm.weights.cards import TRANSLATORS


@dataclass(frozen=True, slots=True)
class Preset:
    """A whole system.

    Attributes
    ----------
    name, title
        What it is called, and what it is.
    model, recognizer
        As for ``--model`` and ``--recognizer``.
    latency
        Settings of the dial.
    policy
        ``alignatt``, or ``published`` for the gate as published.
    heads
        How many heads of the head set are read; 0 for all.
    """

    name: str
    title: str
    model: str
    recognizer: str
    latency: Latency = field(default_factory=lambda: LATENCIES["medium"])
    policy: Literal["alignatt", "published"] = "alignatt"
    heads: int = 0


PAPER_TAIL = 0.25
"""Seconds behind the live edge from which the paper found Qwen3-ASR as reliable as anywhere."""


def _presets() -> dict[str, Preset]:
    low = replace(LATENCIES["low"], chunk=0.85, hold_back=PAPER_TAIL)
    high = replace(LATENCIES["high"], chunk=1.5, hold_back=PAPER_TAIL)
    paper = ("gemma-4-e4b", "qwen3-asr")
    exact = Latency(
        0.85,
        AlignAttSettings(),
        SessionSettings(SourceSettings(margin=0), history=0, budget=16),
        hold_back=0.0,
    )
    found = [
        Preset("embedded", "the models that come with the package", "embedded", "embedded"),
        Preset("paper-low", "the paper's models at 850 ms", *paper, low),
        Preset("paper-high", "the paper's models at 1500 ms", *paper, high),
        Preset("paper-exact", "the paper's gate at 850 ms", *paper, exact, "published", 4),
        *(
            Preset(card.name, f"{card.model} after Qwen3-ASR", card.name, "qwen3-asr")
            for card in TRANSLATORS.values()
        ),
    ]
    return {preset.name: preset for preset in found}


PRESETS = _presets()
"""Whole systems, for ``--preset``."""


def preset(name: str) -> Preset:
    """Return a preset.

    Raises
    ------
    UsageError
        If none has the name; the message lists them.
    """
    if name not in PRESETS:
        raise UsageError(f"There is no preset '{name}'. There are: {', '.join(PRESETS)}.")
    return PRESETS[name]
