"""Models in memory, and the sessions that are opened on them."""

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.headset import HeadSet, head_set_for
from alignatt4llm.languages import Pair
from alignatt4llm.latency import LATENCIES, Latency
from alignatt4llm.models import resolve_llm, resolve_recognizer
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.policy.base import Policy
from alignatt4llm.recognizers.base import Recognizer
from alignatt4llm.session import Session
from alignatt4llm.threads import best_threads

if TYPE_CHECKING:
    from alignatt4llm.recognizers.whisper import WhisperEngine
    from alignatt4llm.translators.transformers import TransformersTranslator

Tell = Callable[[str], None]


class Interpreter:
    """One LLM and one recogniser, loaded once, shared by any number of sessions.

    Parameters
    ----------
    model
        ``embedded``, ``embedded-large``, a folder or a hub id.
    recognizer
        ``embedded`` or the folder of a Whisper model.
    tell
        Is told what is being prepared, when that takes long.

    Raises
    ------
    AlignattError
        If weights or packages are missing.
    """

    def __init__(
        self,
        model: str = "embedded",
        recognizer: str = "embedded",
        tell: Tell = lambda message: None,
    ) -> None:
        self._weights = resolve_llm(model, tell)
        self._recognizer = recognizer
        self._tell = tell
        self.threads = best_threads()
        self.translator = self._translator()
        self._whisper: WhisperEngine | None = None
        self._loading = Lock()

    def open(
        self,
        pair: Pair,
        latency: str | Latency = "medium",
        *,
        heads: HeadSet | None = None,
        prompt: str = "auto",
        policy: Policy | None = None,
        recognizer: Recognizer | None = None,
    ) -> Session:
        """Start a session.

        Parameters
        ----------
        pair
            Translation direction.
        latency
            ``low``, ``medium`` or ``high``, or settings of your own.
        heads
            Head set; the shipped one of the model and pair by default.
        prompt
            ``auto``, ``chat`` or ``few-shot``.
        policy
            AlignAtt over the head set by default.
        recognizer
            Whisper by default.
        """
        chosen = LATENCIES[latency] if isinstance(latency, str) else latency
        heads = heads or self.heads(pair)
        return Session(
            recognizer or self._listen(pair, chosen.hold_back),
            self.translator.open(pair, heads),
            policy or AlignAtt(heads, chosen.policy),
            self.translator.prompt_form(pair, prompt),
            pair,
            chosen.session,
        )

    def heads(self, pair: Pair) -> HeadSet:
        """Return the shipped head set of this model for a pair."""
        return head_set_for(self._weights.name, str(pair))

    def _listen(self, pair: Pair, hold_back: float) -> Recognizer:
        with self._loading:
            if self._whisper is None:
                location = resolve_recognizer(self._recognizer, self._tell)
                try:
                    from alignatt4llm.recognizers.whisper import WhisperEngine
                except ImportError as problem:
                    raise _missing(problem) from problem
                self._whisper = WhisperEngine(location, self.threads)
        return self._whisper.open(pair.source, hold_back)

    def _translator(self) -> "TransformersTranslator":
        try:
            from alignatt4llm.translators.transformers import TransformersTranslator
        except ImportError as problem:
            raise _missing(problem) from problem
        return TransformersTranslator(
            self._weights.location, revision=self._weights.revision, threads=self.threads
        )


def _missing(problem: ImportError) -> AlignattError:
    return AlignattError(
        f"The package {problem.name} is not installed; pip install 'alignatt4llm[embedded]'."
    )
