"""Models in memory, and the sessions that are opened on them."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from alignatt4llm.errors import AlignattError, Tell, UsageError
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import head_set_for, layers_of, shipped_head_sets
from alignatt4llm.machine.threads import best_threads
from alignatt4llm.policy.alignatt import AlignAtt
from alignatt4llm.policy.base import Policy
from alignatt4llm.prompts.context import Context
from alignatt4llm.recognizers.base import Recognizer, RecognizerEngine
from alignatt4llm.recognizers.loading import Finality, RecognizerRunner, load_recognizer
from alignatt4llm.session import Session, SessionSettings
from alignatt4llm.settings.latency import LATENCIES, Latency
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Translator
from alignatt4llm.weights.cards import TRANSLATORS
from alignatt4llm.weights.models import Weights, resolve_llm


class Interpreter:
    """One LLM and one recogniser, loaded once, shared by any number of sessions.

    Parameters
    ----------
    model
        ``embedded``, ``embedded-large``, a folder or a hub id.
    recognizer
        ``embedded``, a name from `cards.RECOGNIZERS`, a folder, a Whisper size or a hub id.
    tell
        Is told what is being prepared, when that takes long.
    aligner, audio_heads, finality, recognizer_engine
        As for `load_recognizer`.
    engine
        ``transformers``, ``vllm``, or the address of a served engine (``http://host:port``), whose
        model it then is.
    heads
        A head set that is not shipped and will be used: vLLM must know its layers from the start.

    Raises
    ------
    AlignattError
        If weights or packages are missing, or the engine does not start.
    """

    def __init__(
        self,
        model: str = "embedded",
        recognizer: str = "embedded",
        tell: Tell = lambda message: None,
        *,
        aligner: str | None = None,
        audio_heads: Path | None = None,
        finality: Finality = "agreement",
        recognizer_engine: RecognizerRunner = "transformers",
        engine: str = "transformers",
        heads: HeadSet | None = None,
    ) -> None:
        self._recognizer = recognizer
        self._aligner = aligner
        self._audio_heads = audio_heads
        self._finality = finality
        self._recognizer_engine = recognizer_engine
        self._tell = tell
        self._weights, self.translator = self._load(model, engine, heads)
        cards = [card for card in TRANSLATORS.values() if card.model == self._weights.name]
        self._prompt = cards[0].prompt if cards else "auto"
        self._ears: RecognizerEngine | None = None
        self._loading = Lock()

    def open(
        self,
        pair: Pair,
        latency: str | Latency = "medium",
        *,
        heads: HeadSet | None = None,
        prompt: str = "auto",
        context: Context | None = None,
        policy: Policy | None = None,
        recognizer: Recognizer | None = None,
        settings: SessionSettings | None = None,
        now: Callable[[], float] = time.monotonic,
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
            A name from `prompts.FORMS`; by default the one that the model was trained for.
        context
            What the model should know besides the speech.
        policy
            AlignAtt over the head set by default.
        recognizer
            One on the interpreter's model by default.
        settings
            Close rules, history and draft budget; those of the latency by default.
        now
            Wall clock in seconds.
        """
        chosen = LATENCIES[latency] if isinstance(latency, str) else latency
        heads = heads or self.heads(pair)
        form = self.translator.prompt_form(pair, self._prompt if prompt == "auto" else prompt)
        return Session(
            recognizer or self._listen(pair, chosen.hold_back),
            self.translator.open(pair, heads, form(()).prefix),
            policy or AlignAtt(heads, chosen.policy),
            form,
            pair,
            settings or chosen.session,
            now,
            context,
        )

    @property
    def name(self) -> str:
        """Name or hub id of the LLM."""
        return self._weights.name

    @property
    def pairs(self) -> tuple[str, ...]:
        """Directions for which a head set is shipped, as ``en-de``."""
        names = (name.rpartition(":") for name in shipped_head_sets())
        return tuple(pair for model, _, pair in names if model == self.name)

    @property
    def location(self) -> str:
        """The model's folder, or the address of the engine that has it."""
        return self._weights.location

    def heads(self, pair: Pair) -> HeadSet:
        """Return the shipped head set of this model for a pair."""
        return head_set_for(self._weights.name, str(pair))

    def _listen(self, pair: Pair, hold_back: float) -> Recognizer:
        with self._loading:
            if self._ears is None:
                self._ears = load_recognizer(
                    self._recognizer,
                    aligner=self._aligner,
                    audio_heads=self._audio_heads,
                    finality=self._finality,
                    engine=self._recognizer_engine,
                    threads=best_threads(),
                    tell=self._tell,
                )
        return self._ears.open(pair.source, hold_back)

    def _load(self, model: str, engine: str, heads: HeadSet | None) -> tuple[Weights, Translator]:
        """Return which model it is, and the model."""
        if engine.startswith(("http://", "https://")):
            from alignatt4llm.translators.vllm.translator import VllmTranslator

            served = VllmTranslator.remote(engine)
            return Weights(served.name, engine), served
        if engine not in ("transformers", "vllm"):
            raise UsageError(
                f"There is no engine '{engine}'. There are: transformers, vllm, and the address of "
                "one that 'alignatt serve-engine' runs, as http://host:8000."
            )
        weights = resolve_llm(model, self._tell)
        if engine == "vllm":
            from alignatt4llm.translators.vllm.translator import VllmTranslator

            self._tell("Starting vLLM")
            layers = layers_of(weights.name, heads)
            return weights, VllmTranslator.local(weights.location, weights.name, layers)
        return weights, self._in_process(weights)

    def _in_process(self, weights: Weights) -> Translator:
        try:
            from alignatt4llm.translators.transformers import TransformersTranslator
        except ImportError as problem:
            raise _missing(problem) from problem
        return TransformersTranslator(weights.location, revision=weights.revision)


def _missing(problem: ImportError) -> AlignattError:
    return AlignattError(
        f"The package {problem.name} is not installed; pip install 'alignatt4llm[embedded]'."
    )
