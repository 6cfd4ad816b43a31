"""Whether another language is spoken than was said."""

from collections import defaultdict, deque

from alignatt4llm.text.languages import Language
from alignatt4llm.transcript import Spoken

KEPT = 16
"""Observations, of at least 1.5 s of voice each, that are looked at: half a minute."""
LONG, SHORT = 11.0, 1.4
"""Sum of the shares of the other language from which on it is sure, in a stream and at its end."""
MOST = 0.8
"""Its part of all shares, at least."""
NEAR = tuple(
    frozenset(codes.split())
    for codes in (
        "da no nn sv",
        "id jw ms",
        "yue zh",
        "hi ur",
        "bg bs hr mk sl sr",
        "cs sk",
        "ca es gl",
        "gl pt",
        "be ru uk",
        "af nl",
        "de lb",
    )
)
"""Languages that recognisers take for each other."""


class SpokenLanguage:
    """What a recogniser has lately taken the language of a stream for.

    A sentence in another language is no reason to say anything; it must be most of what was heard
    for half a minute, or of a shorter stream.

    Parameters
    ----------
    expected
        What should be spoken.
    """

    def __init__(self, expected: Language) -> None:
        self._expected = expected.code
        self._heard: deque[Spoken] = deque(maxlen=KEPT)

    def hear(self, spoken: Spoken) -> None:
        """Take an observation."""
        self._heard.append(spoken)

    def other(self, ended: bool) -> str | None:
        """Return the code of the language that is surely spoken instead, if one is."""
        shares: dict[str, float] = defaultdict(float)
        for spoken in self._heard:
            shares[spoken.language] += spoken.share
        code = max(shares, key=shares.__getitem__, default=self._expected)
        enough = max(SHORT if ended else LONG, MOST * sum(shares.values()))
        return code if shares[code] >= enough and not self._is_near(code) else None

    def _is_near(self, code: str) -> bool:
        """Whether a language is the expected one or easily taken for it."""
        return code == self._expected or any({code, self._expected} <= near for near in NEAR)
