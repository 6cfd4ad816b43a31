"""A system: the models, and how they translate whatever the direction."""

from dataclasses import dataclass
from pathlib import Path

from alignatt4llm.errors import UsageError
from alignatt4llm.heads.choice import Chosen, choose, no_set, ready_pairs
from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.prompts.context import Context
from alignatt4llm.recognizers.loading import require_known
from alignatt4llm.recognizers.table import Finality, RecognizerRunner
from alignatt4llm.settings.candidates import RANKED
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.table import AUTO, find_engine
from alignatt4llm.weights.adapters import Adapter, find_adapter, identity_here
from alignatt4llm.weights.cards import TRANSLATORS
from alignatt4llm.weights.models import short_name


@dataclass(frozen=True, slots=True)
class System:
    """Which models translate, and what all their sessions have in common.

    Attributes
    ----------
    model
        ``auto``, the best of the embedded models that is fast enough here (see `fitting.fit`);
        ``embedded``, ``embedded-taught``, ``embedded-large``, a name from `cards.TRANSLATORS`, a
        folder, a hub id, or one of `models.GGUF_NAMES`.
    recognizer
        As for `load_recognizer`.
    adapter
        Folder of an adapter for the model; none is needed where ``model`` is one.
    engine
        ``auto`` for the one that suits the model (see `table.engine_name`), a name from
        `translators.table.ENGINES`, or the address of a served engine (``http://host:port``), whose
        model it then is.
    gpu_layers
        How many layers a GPU computes in llama.cpp; all that fit by default.
    aligner, audio_heads, finality, recognizer_engine
        As for `load_recognizer`.
    heads
        A head set for its direction, shipped or not.
    head_count
        How many heads of a head set are read; 0 for all.
    calibration
        Whether a head set is calibrated on first use where there is none.
    prompt
        A name from `prompts.FORMS`; ``auto`` for the one that the model was trained for.
    policy
        A name from `policy.table.POLICIES`, with its number where it takes one.
    context
        What the model should know besides the speech.
    """

    model: str = AUTO
    recognizer: str = "embedded"
    engine: str = AUTO
    adapter: Path | None = None
    gpu_layers: int | None = None
    aligner: str | None = None
    audio_heads: Path | None = None
    finality: Finality = "agreement"
    recognizer_engine: RecognizerRunner = "transformers"
    heads: HeadSet | None = None
    head_count: int = 0
    calibration: bool = True
    prompt: str = "auto"
    policy: str = "alignatt"
    context: Context | None = None

    @property
    def taught(self) -> Adapter | None:
        """What the model was taught; errors as for `find_adapter`."""
        if self.model == AUTO and self.adapter:
            return Adapter.read(self.adapter.expanduser())
        return find_adapter(self.model, self.adapter)

    def chosen(self, pair: Pair) -> Chosen | None:
        """Return the head set that a direction will have, as far as can be told before loading.

        None if only the engine can tell, or one is calibrated on first use. Where the model is
        ``auto``, it is that of the best one that has one of its own.

        Raises
        ------
        AlignattError
            If there is none and none may be calibrated.
        """
        pair.check()
        if self.heads:
            return Chosen(self.heads, pair, "given")
        if not find_engine(self.engine, self.model).weights:
            return None
        taught = self.taught
        name = taught.name if taught else self._name(pair)
        base, own = (taught.base, taught.head_set(pair)) if taught else ("", None)
        found = choose(name, pair, base=base, own=own, key=self._weights)
        if not (found or self.calibration):
            raise UsageError(no_set(pair, name))
        return found

    def told(self, pair: Pair) -> Context | None:
        """Return what the model should know besides the speech in a direction."""
        return self.context.within(pair) if self.context else None

    @property
    def is_ready(self) -> bool:
        """Whether there is a head set for any direction, as far as can be told before loading."""
        if self.heads or self.model == AUTO or not find_engine(self.engine, self.model).weights:
            return True
        taught = self.taught
        if taught:
            return bool(taught.pairs or self._ready(taught.name, taught.base))
        return bool(self._ready(short_name(self.model)))

    def head_set(self, pair: Pair) -> HeadSet | None:
        """Return the heads of it that are read; see `chosen`."""
        found = self.chosen(pair)
        return found.heads.best(self.head_count) if found else None

    def check(self, pair: Pair) -> None:
        """Make sure that recogniser and model know the languages, before anything is downloaded.

        Raises
        ------
        UsageError
            If one does not, or both languages are the same.
        """
        pair.check()
        require_known(self.recognizer, pair.source)
        card = TRANSLATORS.get(self.model)
        for each in (pair.source, pair.target):
            if card and not card.knows(each.code):
                raise UsageError(
                    f"{card.model} does not know {each.name}; take another model with --model. It "
                    f"knows: {', '.join(card.languages.split())}."
                )

    def _weights(self) -> str:
        """Return which weights will be loaded; empty where that is not known before."""
        taught = self.taught
        return "" if self.model == AUTO and not taught else identity_here(self.model, taught)

    def _ready(self, name: str, base: str = "") -> tuple[str, ...]:
        weights = self._weights()
        return ready_pairs(name, base, lambda _: weights)

    def _name(self, pair: Pair) -> str:
        able = [each.known.model for each in RANKED if str(pair) in each.pairs]
        least = RANKED[-1].known.model
        return next(iter(able), least) if self.model == AUTO else short_name(self.model)
