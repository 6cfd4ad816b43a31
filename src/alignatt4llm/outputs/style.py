"""How what is said is to be written."""

from dataclasses import dataclass

from alignatt4llm.outputs.rules import Rules, rules_for
from alignatt4llm.text.languages import Pair


@dataclass(frozen=True, slots=True)
class Style:
    """What outputs need to know beside the events.

    Attributes
    ----------
    pair
        The languages.
    rules
        What subtitles keep to.
    source_rules
        What lines of the source under them keep to; None leaves them out.
    final
        Whether subtitles are laid out anew when the whole text is known.
    """

    pair: Pair
    rules: Rules
    source_rules: Rules | None = None
    final: bool = False

    @classmethod
    def of(
        cls, pair: Pair, rules: str = "netflix", with_source: bool = False, final: bool = False
    ) -> "Style":
        """Return a style whose rules go by a name; see `rules_for`."""
        below = rules_for(rules, pair.source) if with_source else None
        return cls(pair, rules_for(rules, pair.target), below, final)
