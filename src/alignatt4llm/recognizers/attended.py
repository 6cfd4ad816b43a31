"""AlignAtt for recognition: words are final as soon as the model looks away from the audio's end.

Papi, Turchi and Negri, "AlignAtt: Using Attention-based Audio-Translation Alignments as a Guide
for Simultaneous Speech Translation" (2023), with words in the place of tokens.
"""

from collections.abc import Sequence

from alignatt4llm.recognizers.agreement import Agreement
from alignatt4llm.transcript import SourceWord

BORDER = 0.5
"""Seconds at the end of the audio that no final word may look at."""


class Attended(Agreement):
    """Commits words from one hypothesis, by where in the audio the model's attention put them.

    The times of the words must come from attention. No second hypothesis has to agree, so words
    are final a step earlier than with `Agreement`; a word that the model changes its mind about
    later is final all the same.

    Parameters
    ----------
    border
        Seconds between a word's end and the clock before it may be committed.
    """

    def __init__(self, border: float = BORDER) -> None:
        super().__init__(border)

    def _agreed(self, previous: Sequence[SourceWord]) -> int:
        return len(self.pending)
