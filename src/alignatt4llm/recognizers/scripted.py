"""A recogniser that says what a test wrote down."""

from collections import deque
from collections.abc import Sequence

from alignatt4llm.audio.samples import Samples
from alignatt4llm.events import SourceWord
from alignatt4llm.transcript import Recognition


class ScriptedRecognizer:
    """Returns one prepared step for each call of `feed`, whatever the samples are.

    After the last step nothing more is committed and the last tail stays.

    Parameters
    ----------
    steps
        What to say, step by step.

    Examples
    --------
    >>> import numpy as np
    >>> hello = SourceWord("Hello.", 0.0, 0.4)
    >>> recognizer = ScriptedRecognizer([Recognition(tail=(hello,)), Recognition((hello,))])
    >>> recognizer.feed(np.zeros(8000, np.float32)).tail[0].text
    'Hello.'
    """

    def __init__(self, steps: Sequence[Recognition]) -> None:
        self._steps = deque(steps)
        self._tail: tuple[SourceWord, ...] = ()

    def feed(self, samples: Samples) -> Recognition:
        """Return the next step of the script."""
        step = self._steps.popleft() if self._steps else Recognition(tail=self._tail)
        self._tail = step.tail
        return step

    def finish(self) -> Recognition:
        """Commit the words of all remaining steps, then the last tail."""
        committed: list[SourceWord] = []
        while self._steps:
            step = self._steps.popleft()
            committed += step.committed
            self._tail = step.tail
        committed += self._tail
        self._tail = ()
        return Recognition(tuple(committed))
