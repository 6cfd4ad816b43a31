"""A system: the models, and how they translate whatever the direction."""

from dataclasses import dataclass
from pathlib import Path

from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import head_set_for
from alignatt4llm.prompts.context import Context
from alignatt4llm.recognizers.table import Finality, RecognizerRunner
from alignatt4llm.settings.candidates import RANKED
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.table import AUTO, find_engine
from alignatt4llm.weights.adapters import Adapter, find_adapter
from alignatt4llm.weights.models import short_name


@dataclass(frozen=True, slots=True)
class System:
    """Which models translate, and what all their sessions have in common.

    Attributes
    ----------
    model
        ``auto``, the best of the embedded models that is fast enough here (see `fitting.fit`);
        ``embedded``, ``embedded-large``, a name from `cards.TRANSLATORS`, a folder, a hub id, or
        one of `models.GGUF_NAMES`.
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
    prompt: str = "auto"
    policy: str = "alignatt"
    context: Context | None = None

    @property
    def taught(self) -> Adapter | None:
        """What the model was taught; errors as for `find_adapter`."""
        if self.model == AUTO and self.adapter:
            return Adapter.read(self.adapter.expanduser())
        return find_adapter(self.model, self.adapter)

    def head_set(self, pair: Pair) -> HeadSet | None:
        """Return the head set for a direction; None if only the engine can tell.

        Nothing is loaded for it. Where the model is ``auto``, it is that of the best one that has
        any.

        Raises
        ------
        AlignattError
            If none was given and none is shipped.
        """
        if self.heads is None and not find_engine(self.engine, self.model).weights:
            return None
        taught = self.taught
        found = self.heads or (taught.head_set(pair) if taught else self._shipped(pair))
        return found.best(self.head_count)

    def _shipped(self, pair: Pair) -> HeadSet:
        able = [each.known.model for each in RANKED if str(pair) in each.pairs]
        least = RANKED[-1].known.model
        name = next(iter(able), least) if self.model == AUTO else short_name(self.model)
        return head_set_for(name, str(pair))
