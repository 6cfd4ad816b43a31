"""Where utterances close under a policy: by the source alone, by the heads too, or at pauses."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Closings:
    """What closes an utterance, apart from the dial's silence and greatest length.

    Attributes
    ----------
    stops
        Whether full stops of the source do.
    gap
        Seconds between two heard words that do; None for no such rule.
    heads
        Whether a model that has ended its translation does, before words that the heads show to
        be unread.
    """

    stops: bool = True
    gap: float | None = None
    heads: bool = False


BY_SOURCE = Closings()
"""What a policy that reads no attention has of its own."""
BY_HEADS = Closings(heads=True)
"""AlignAtt's own; policies that close by the source may be lent them."""
BY_PAUSES = Closings(stops=False, gap=0.5)
"""Of policies that cut speech where somebody pauses, whatever is said."""
