"""Every event as one line of JSON."""

from alignatt4llm.events import Event, to_json
from alignatt4llm.outputs.base import Format


class JsonLines(Format):
    """A line an event, as ``docs/events.md`` describes them."""

    def add(self, event: Event) -> str:
        """Return the event's line."""
        return to_json(event) + "\n"
