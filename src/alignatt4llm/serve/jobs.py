"""What becomes of an uploaded recording: its translation, or its transcript."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from alignatt4llm.errors import UsageError
from alignatt4llm.serve.errors import Unsupported
from alignatt4llm.serve.hearing import Hearing
from alignatt4llm.serve.registry import Registry
from alignatt4llm.serve.upload import Wish
from alignatt4llm.session import Session
from alignatt4llm.settings.latency import LATENCIES
from alignatt4llm.text.languages import Language, Pair

T = TypeVar("T")


class Job(Protocol):
    """One kind of work on a recording.

    Attributes
    ----------
    task
        Its name for OpenAI's clients.
    """

    task: str

    def check(self, wish: Wish) -> None:
        """Raise Unsupported for what cannot be done, whatever fields may still come."""
        ...

    def language(self, wish: Wish) -> Language:
        """Return the language of the answer; raise Unsupported if it cannot be had."""
        ...

    def open(self, wish: Wish) -> Session | Hearing:
        """Begin; raise Unsupported if the recogniser does not know the language."""
        ...


class Translation:
    """Translates into the language that a client names, or the server's own target."""

    task = "translate"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def check(self, wish: Wish) -> None:
        """Refuse a direction once both its languages have come; see `Job`."""
        if wish.named and wish.target:
            self._registry.directions.require_heard(Pair(wish.source, wish.target))

    def language(self, wish: Wish) -> Language:
        """Return the target; see `Job`."""
        return self._pair(wish).target

    def open(self, wish: Wish) -> Session:
        """Open a session; see `Job`."""
        pair = self._pair(wish)
        return _known(lambda: self._registry.interpreter.open(pair, wish.latency))

    def _pair(self, wish: Wish) -> Pair:
        if wish.target is None:
            raise Unsupported(
                "Name the language to translate into in 'to', or start the server with --to; "
                f"directions: {self._registry.directions}.",
                "to",
            )
        pair = Pair(wish.source, wish.target)
        self._registry.directions.require_heard(pair)
        return pair


class Transcription:
    """Writes down what is said, in the language that is spoken."""

    task = "transcribe"

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def check(self, wish: Wish) -> None:
        """Refuse nothing: the recogniser knows its languages; see `Job`."""

    def language(self, wish: Wish) -> Language:
        """Return the source; see `Job`."""
        return wish.source

    def open(self, wish: Wish) -> Hearing:
        """Open a recogniser; see `Job`."""
        interpreter, latency = self._registry.interpreter, LATENCIES[wish.latency]
        recognizer = _known(lambda: interpreter.hear(wish.source, latency))
        return Hearing(recognizer, wish.source, latency.session.source)


def _known(opened: Callable[[], T]) -> T:
    try:
        return opened()
    except UsageError as problem:
        raise Unsupported(str(problem), "language") from problem
