"""The translation as plain text, a line an utterance."""

from alignatt4llm.events import Close, Commit, Event
from alignatt4llm.outputs.base import Format
from alignatt4llm.outputs.style import Style
from alignatt4llm.outputs.utterances import Utterances
from alignatt4llm.text.printable import one_line


class Paragraphs(Format):
    """Lines of committed text, written as utterances close."""

    def __init__(self, style: Style) -> None:
        super().__init__(style)
        self._utterances = Utterances()

    def add(self, event: Event) -> str:
        """Collect committed text; return a line when its utterance closes."""
        if isinstance(event, Commit):
            self._utterances.say(event)
        elif isinstance(event, Close):
            return _line(self._utterances.close(event))
        return ""

    def end(self) -> str:
        """Return what was committed in the open utterance."""
        return _line(self._utterances.text)


def _line(text: str) -> str:
    said = one_line(text)
    return said and said + "\n"
