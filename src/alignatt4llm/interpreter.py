"""Models in memory, and the sessions that are opened on them."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock

from alignatt4llm.calibrate.model import check
from alignatt4llm.calibrate.sets import HeadSets
from alignatt4llm.errors import Tell, silent
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.machine.device import free_memory
from alignatt4llm.machine.threads import beside
from alignatt4llm.policy.base import Policy
from alignatt4llm.policy.closings import BY_HEADS
from alignatt4llm.policy.table import kind_of, make_policy
from alignatt4llm.prompts.context import Context
from alignatt4llm.prompts.prompt import PromptForm
from alignatt4llm.recognizers.base import Recognizer, RecognizerEngine
from alignatt4llm.recognizers.loading import load_recognizer
from alignatt4llm.session import Session, SessionSettings
from alignatt4llm.settings.fitting import fitted
from alignatt4llm.settings.latency import Latency, chosen_latency
from alignatt4llm.settings.system import System
from alignatt4llm.stream import Stream
from alignatt4llm.text import languages
from alignatt4llm.text.languages import Language, Pair, language
from alignatt4llm.translators.base import Asked, Forcing, Loaded
from alignatt4llm.translators.table import find_engine, load_translator
from alignatt4llm.weights.cards import TRANSLATORS


class Interpreter:
    """One LLM and one recogniser, loaded once, shared by any number of sessions.

    The recogniser is loaded when the first session needs it.

    Parameters
    ----------
    system
        Which models, and what sessions have in common; by default those that come with the package
        and that this computer runs live at medium latency (see `fitting.fitted` for others).
    tell
        Is told what is being prepared, when that takes long.
    streams
        How many sessions will be open at once; more share what is kept for these.
    pairs
        Directions that will be translated: where there is no head set for one, it is calibrated
        now. Others are calibrated when a session is opened, by engines that can, until
        `refuse_calibration`.
    load
        Loads the LLM into its engine; `load_translator` by default.

    Attributes
    ----------
    translator
        The LLM in its engine.
    system
        What it was made for, with the model and the engine that were chosen.

    Raises
    ------
    AlignattError
        If weights or packages are missing, or the engine does not start; or there is no head set
        for a direction and none can be calibrated.

    Examples
    --------
    >>> interpreter = Interpreter()
    >>> session = interpreter.open("en-de", latency="low")
    """

    def __init__(
        self,
        system: System = System(),
        tell: Tell = silent,
        *,
        streams: int = 1,
        pairs: Sequence[Pair] = (),
        load: Callable[[str, Asked], Loaded] | None = None,
    ) -> None:
        self.system = system = fitted(system, pairs=list(map(str, pairs)), tell=tell)
        self._tell = tell
        self._calibrate_elsewhere(pairs)
        asked = Asked(
            system.model,
            adapter=system.taught,
            heads=system.heads,
            streams=streams,
            gpu_layers=system.gpu_layers,
            tell=tell,
        )
        self._loaded = (load or load_translator)(system.engine, asked)
        self.translator = self._loaded.translator
        self._sets = HeadSets(
            self._loaded, self.prompt_form, system.heads, system.calibration, tell
        )
        for pair in pairs:
            self.heads(pair)
        self._ears: RecognizerEngine | None = None
        self._loading = Lock()

    def open(
        self,
        pair: Pair | str,
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
            Translation direction, such as ``en-de``.
        latency
            ``low``, ``medium`` or ``high``, or settings of your own.
        heads
            Head set, for whatever direction it was made; by default the one that `heads` returns.
        prompt
            A name from `prompts.FORMS`; by default the system's.
        context
            What the model should know besides the speech; by default the system's, as for the pair.
        policy
            The system's over the head set by default; its utterances then close as is usual for
            that policy.
        recognizer
            One on the interpreter's model by default.
        settings
            Close rules, history and draft budget; those of the latency by default.
        now
            Wall clock in seconds.

        Raises
        ------
        UsageError
            If a language or the latency is not known.
        AlignattError
            If something is missing: a recogniser, or heads for this direction that cannot be
            calibrated.

        Examples
        --------
        >>> with interpreter.open("en-de") as session:
        ...     for event in session.stream("talk.mp4"):
        ...         print(event)
        """
        pair = pair if isinstance(pair, Pair) else Pair.parse(pair)
        chosen = self._chosen(latency, policy)
        found = heads or self.heads(pair)
        if isinstance(self.translator, Forcing):
            check(found, self.translator.layout)
        read = found.best(self.system.head_count).bare
        form = self.prompt_form(pair, prompt)
        with ThreadPoolExecutor(1) as beside_it:  # what prompts begin with is read meanwhile
            opening = beside_it.submit(self.translator.open, pair, read, form(()).prefix)
            try:
                hearing = recognizer or self._listen(pair.source, chosen.hold_back)
            except BaseException:
                opening.result().close()
                raise
        return Session(
            hearing,
            opening.result(),
            policy or make_policy(self.system.policy, read, chosen.policy, pair.target),
            form,
            pair,
            settings or chosen.session,
            now,
            context or self.system.told(pair),
            chosen.chunk,
        )

    def stream(
        self,
        source: Language | str,
        targets: Sequence[Language | str] | Language | str,
        latency: str | Latency = "medium",
        *,
        heads: HeadSet | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> Stream:
        """Start a stream that is heard once and translated into several languages.

        It is used like a session; what is said in each language comes in order, and ``to`` of
        every event says which it is.

        Parameters
        ----------
        source
            What is spoken.
        targets
            The languages, or one; they share the passes of the engine.
        latency, heads, now
            As for `open`, of every target.

        Raises
        ------
        UsageError
            If a language or the latency is not known, or a language is named twice, or spoken.
        AlignattError
            As for `open`.

        Examples
        --------
        >>> with interpreter.stream("en", ["de", "it"]) as session:
        ...     for event in session.stream("talk.mp4"):
        ...         print(event)
        """
        chosen = self._chosen(latency)
        spoken = _known(source)
        several = [targets] if isinstance(targets, Language | str) else targets
        names = [name.code if isinstance(name, Language) else name for name in several]
        into = languages.targets(names, spoken) if names else ()
        ears = self.hear(spoken, chosen)
        stream = Stream(ears, spoken, chosen.session.source, now, chosen.chunk)
        try:
            for target in into:
                pair = Pair(spoken, target)
                stream.add(self.open(pair, latency, heads=heads, recognizer=ears, now=now))
        except BaseException:
            stream.close()
            raise
        return stream

    def hear(self, spoken: Language, latency: str | Latency = "medium") -> Recognizer:
        """Start recognising one stream that nobody translates.

        Raises
        ------
        UsageError
            If the recogniser does not know the language.
        """
        chosen = chosen_latency(latency)
        return self._listen(spoken, chosen.hold_back)

    @property
    def ears(self) -> RecognizerEngine:
        """The recogniser, loaded when it is first asked for; errors as for `load_ears`."""
        with self._loading:
            if self._ears is None:
                self._ears = load_ears(self.system, beside(self._loaded.threads), self._tell)
            return self._ears

    @property
    def name(self) -> str:
        """Name or hub id of the LLM."""
        return self._loaded.name

    @property
    def pairs(self) -> tuple[str, ...]:
        """Directions for which there is a head set, as ``en-de``."""
        return self._sets.pairs

    @property
    def loaded(self) -> Loaded:
        """The LLM in its engine, and what is known of it."""
        return self._loaded

    @property
    def threads(self) -> int:
        """CPU threads of the LLM; 0 if they were not measured."""
        return self._loaded.threads

    @property
    def location(self) -> str:
        """The model's folder, or the address of the engine that has it."""
        return self._loaded.location

    def heads(self, pair: Pair) -> HeadSet:
        """Return the head set for a direction; see `heads.choice.choose`.

        Where there is none, one is calibrated, which takes minutes.

        Raises
        ------
        AlignattError
            If there is none and none can be calibrated.
        """
        return self._sets.choose(pair).heads

    def refuse_calibration(self) -> None:
        """Calibrate no head set from now on; sessions that lack one are refused."""
        self._sets.refuse_calibration()

    def prompt_form(self, pair: Pair, prompt: str = "auto") -> PromptForm:
        """Return a prompt by its name; by default the system's, or the model's own."""
        cards = (card.prompt for card in TRANSLATORS.values() if card.model == self.name)
        wanted = (prompt, self.system.prompt, *cards)
        name = next((name for name in wanted if name != "auto"), "auto")
        return self.translator.prompt_form(pair, name)

    def _chosen(self, latency: str | Latency, policy: Policy | None = None) -> Latency:
        """Return settings of the dial, with the closings of the system's policy if it is that."""
        chosen = chosen_latency(latency)
        closings = kind_of(self.system.policy).closings
        return chosen if policy or closings == BY_HEADS else chosen.closing(closings)

    def _calibrate_elsewhere(self, pairs: Sequence[Pair]) -> None:
        """Calibrate in another engine what this one cannot, which must know its heads to start."""
        engine = find_engine(self.system.engine, self.system.model).calibrated_by
        chosen = [(pair, self.system.chosen(pair)) for pair in pairs if engine]
        unsure = (None, "kept", "kept by name")  # only a loaded model tells which prompt it has
        lacking = [pair for pair, found in chosen if (found and found.kind) in unsure]
        if lacking:
            Interpreter(replace(self.system, engine=engine), self._tell, pairs=lacking)
            free_memory()

    def _listen(self, spoken: Language, hold_back: float) -> Recognizer:
        return self.ears.open(spoken, hold_back)


def _known(name: Language | str) -> Language:
    return language(name) if isinstance(name, str) else name


def load_ears(system: System, threads: int, tell: Tell) -> RecognizerEngine:
    """Load the recogniser of a system, on some CPU threads; errors as for `load_recognizer`."""
    return load_recognizer(
        system.recognizer,
        aligner=system.aligner,
        audio_heads=system.audio_heads,
        finality=system.finality,
        engine=system.recognizer_engine,
        threads=threads,
        tell=tell,
    )
