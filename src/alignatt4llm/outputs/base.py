"""What outputs are made of: formats that turn events into text, and files that grow by it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.events import Event, Trace
from alignatt4llm.files.writing import Records, is_stream, write_whole
from alignatt4llm.outputs.style import Style


class Output(Protocol):
    """Something that events are written to, safely at any moment."""

    def write(self, event: Event) -> None:
        """Take one event."""
        ...

    def close(self) -> None:
        """Write what is pending and end."""
        ...


class Format(ABC):
    """How one stream of events becomes text, by whole records; what has been returned stays.

    Parameters
    ----------
    style
        Languages, and how to lay out.

    Attributes
    ----------
    footer
        What stands after everything that has been returned, at any moment.
    """

    footer = ""

    def __init__(self, style: Style) -> None:
        self.style = style

    def begin(self) -> str:
        """Return what stands before everything."""
        return ""

    @abstractmethod
    def add(self, event: Event) -> str:
        """Return what an event adds, often nothing."""

    def end(self) -> str:
        """Return what is still pending."""
        return ""

    def anew(self) -> str:
        """Return what the whole is to be replaced with when it is over; empty if it stays."""
        return ""


def written(form: Format, events: Iterable[Event]) -> Iterator[str]:
    """Yield the text of events in a format, as they come."""
    yield form.begin()
    for event in events:
        yield form.add(event)
    yield form.end()
    yield form.footer


class Collected:
    """An output that is kept in memory until the whole of it is known.

    Parameters
    ----------
    form
        Turns events into its text.
    trace
        Whether traces are taken too.
    """

    def __init__(self, form: Format, trace: bool = False) -> None:
        self._form, self._trace, self._parts = form, trace, [form.begin()]

    def write(self, event: Event) -> None:
        """Add what an event adds."""
        if self._trace or not isinstance(event, Trace):
            self._parts.append(self._form.add(event))

    def whole(self) -> str:
        """Return the text, once everything has been written."""
        self._parts.append(self._form.end())
        return self._form.anew() or "".join(self._parts) + self._form.footer


class OutputFile:
    """A file in which text stands as soon as its event is written; see `Records`.

    Parameters
    ----------
    path
        Where it is; what is there is replaced.
    form
        Turns events into its text.
    trace
        Whether traces are written too.

    Raises
    ------
    UsageError
        If the file cannot be opened. When it cannot be written later, `write` and `close` raise
        AlignattError.
    """

    def __init__(self, path: Path, form: Format, trace: bool = False) -> None:
        self._path, self._form, self._trace = path, form, trace
        try:
            self._file = Records(path, form.footer.encode())
        except OSError as problem:
            raise UsageError(self._complaint(problem)) from problem
        self._append(form.begin())

    def write(self, event: Event) -> None:
        """Append what an event adds."""
        if self._trace or not isinstance(event, Trace):
            self._append(self._form.add(event))

    def close(self) -> None:
        """Append what is pending and close the file; it may then be laid out anew."""
        try:
            self._append(self._form.end())
        finally:
            self._file.close()
        anew = self._form.anew()
        if anew and not is_stream(self._path):
            write_whole(self._path, anew)

    def _append(self, text: str) -> None:
        if not text:
            return
        try:
            self._file.append(text.encode())
        except OSError as problem:
            raise AlignattError(self._complaint(problem)) from problem

    def _complaint(self, problem: OSError) -> str:
        return f"'{self._path}' cannot be written: {problem.strerror}."
