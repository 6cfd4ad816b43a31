"""Whole systems by name: models and settings that go together."""

from dataclasses import dataclass, field, replace

from alignatt4llm.errors import UsageError
from alignatt4llm.heads.loading import shipped_pairs
from alignatt4llm.policy.alignatt import AlignAttSettings
from alignatt4llm.session import SessionSettings
from alignatt4llm.settings.candidates import RANKED
from alignatt4llm.settings.latency import LATENCIES, Latency
from alignatt4llm.settings.system import System
from alignatt4llm.transcript import SourceSettings
from alignatt4llm.translators.table import AUTO
from alignatt4llm.weights.cards import TRANSLATORS
from alignatt4llm.weights.models import short_name


@dataclass(frozen=True, slots=True)
class Preset:
    """A whole system.

    Attributes
    ----------
    name, title
        What it is called, and what it is.
    system
        Models, policy, and how many heads are read.
    latency
        Settings of the dial.
    """

    name: str
    title: str
    system: System
    latency: Latency = field(default_factory=lambda: LATENCIES["medium"])

    @property
    def pairs(self) -> tuple[str, ...]:
        """Directions for which head sets of their own are shipped, as ``en-de``."""
        if self.system.model == AUTO:
            return tuple(dict.fromkeys(pair for each in RANKED for pair in each.pairs))
        return shipped_pairs(short_name(self.system.model))

    def __str__(self) -> str:
        return self.name


PAPER_TAIL = 0.25
"""Seconds behind the live edge from which the paper found Qwen3-ASR as reliable as anywhere."""


def _presets() -> dict[str, Preset]:
    low = replace(LATENCIES["low"], chunk=0.85, hold_back=PAPER_TAIL)
    high = replace(LATENCIES["high"], chunk=1.5, hold_back=PAPER_TAIL)
    exact = Latency(
        0.85,
        AlignAttSettings(),
        SessionSettings(SourceSettings(margin=0), history=0, budget=16),
        hold_back=0.0,
    )
    paper = System("gemma-4-e4b", "qwen3-asr")
    gate = replace(paper, policy="published", head_count=4)
    found = [
        Preset(AUTO, "the best that comes with the package and is fast enough here", System()),
        Preset("embedded", "the small model that comes with the package", System("embedded")),
        Preset("paper-low", "the paper's models at 850 ms", paper, low),
        Preset("paper-high", "the paper's models at 1500 ms", paper, high),
        Preset("paper-exact", "the paper's gate at 850 ms", gate, exact),
        *(
            Preset(card.name, f"{card.model} after Qwen3-ASR", System(card.name, "qwen3-asr"))
            for card in TRANSLATORS.values()
            if not card.file
        ),
        Preset(
            "laptop",
            "Gemma 4 E4B as GGUF after Whisper base",
            System("gemma-4-e4b-gguf", engine="llama.cpp"),
        ),
        Preset(
            "laptop-small",
            "HY-MT 1.5 1.8B as GGUF after Whisper base",
            System("hy-mt-1.8b-gguf", engine="llama.cpp"),
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
