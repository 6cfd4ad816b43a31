"""What a server translates: asked before anything is opened."""

from alignatt4llm.errors import UsageError
from alignatt4llm.interpreter import Interpreter
from alignatt4llm.recognizers.loading import require_known
from alignatt4llm.serve.errors import Unsupported
from alignatt4llm.text.languages import Pair

_LISTED = 40
"""Directions that are listed in a sentence at most."""


class Directions:
    """The directions of an interpreter; as text, what can be translated.

    Parameters
    ----------
    interpreter
        Knows the head sets, and the recogniser.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter

    def require(self, pair: Pair) -> None:
        """Raise Unsupported for a pair without a head set."""
        if str(pair) not in self._interpreter.pairs:
            raise Unsupported(f"{pair} cannot be translated here; directions: {self}.")

    def require_heard(self, pair: Pair) -> None:
        """Raise Unsupported for a pair without a head set, or whose speech is not known."""
        self.require(pair)
        try:
            require_known(self._interpreter.system.recognizer, pair.source)
        except UsageError as problem:
            raise Unsupported(str(problem)) from problem

    def __str__(self) -> str:
        pairs = self._interpreter.pairs
        if len(pairs) > _LISTED:
            return f"{len(pairs)}, listed at /about"
        return ", ".join(pairs) or "none"
