"""How a model is taught."""

from dataclasses import dataclass, field

from alignatt4llm.adapt.curriculum import Mix
from alignatt4llm.errors import UsageError


@dataclass(frozen=True, slots=True)
class TeachingSettings:
    """How a model is taught.

    Attributes
    ----------
    steps
        Batches.
    batch
        Lessons in each.
    rank
        Rank of the adapters.
    rate
        Largest learning rate, reached after ``warmup`` steps; from there it falls to 0 along a
        cosine.
    warmup
        Steps.
    clip
        Largest norm of the gradient.
    guided
        How many heads are taught where to look; 0 for none.
    weight
        Weight of that loss beside the one of what is said.
    seed
        Of every draw.
    score_every
        Steps between two measurements on held-out sentences; 0 for only before and after.
    mix
        How often what is taught.
    """

    steps: int = 1000
    batch: int = 8
    rank: int = 16
    rate: float = 5e-4
    warmup: int = 10
    clip: float = 1.0
    guided: int = 4
    weight: float = 0.5
    seed: int = 0
    score_every: int = 200
    mix: Mix = field(default_factory=Mix)

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "rank"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        for name in ("warmup", "guided", "weight", "seed", "score_every"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        for name in ("rate", "clip"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be above 0.")
