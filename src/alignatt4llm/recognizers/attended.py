"""AlignAtt for recognition: words are final as soon as the model looks away from the audio's end.

Papi, Turchi and Negri, "AlignAtt: Using Attention-based Audio-Translation Alignments as a Guide
for Simultaneous Speech Translation" (2023), with words in the place of tokens.
"""

from collections.abc import Sequence

from alignatt4llm.events import SourceWord
from alignatt4llm.recognizers.agreement import Agreement


class Attended(Agreement):
    """Commits words from one hypothesis, by where in the audio the model's attention put them.

    The times of the words must come from attention. No second hypothesis has to agree, so words
    are final a step earlier than with `Agreement`; a word that the model changes its mind about
    later is final all the same.

    Parameters
    ----------
    hold_back
        Seconds at the end of the audio that no final word may look at.
    """

    def _agreed(self, previous: Sequence[SourceWord]) -> int:
        return len(self.pending)
