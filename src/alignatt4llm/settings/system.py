"""A system: the models, and how they translate whatever the direction."""

from dataclasses import dataclass
from pathlib import Path

from alignatt4llm.heads.headset import HeadSet
from alignatt4llm.heads.loading import head_set_for
from alignatt4llm.prompts.context import Context
from alignatt4llm.recognizers.table import Finality, RecognizerRunner
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.table import find_engine
from alignatt4llm.weights.adapters import Adapter, find_adapter
from alignatt4llm.weights.models import short_name


@dataclass(frozen=True, slots=True)
class System:
    """Which models translate, and what all their sessions have in common.

    Attributes
    ----------
    model
        ``embedded``, ``embedded-large``, a name from `cards.TRANSLATORS`, a folder, a hub id, or
        one of `models.GGUF_NAMES`.
    recognizer
        As for `load_recognizer`.
    adapter
        Folder of an adapter for the model; none is needed where ``model`` is one.
    engine
        A name from `translators.table.ENGINES`, or the address of a served engine
        (``http://host:port``), whose model it then is.
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

    model: str = "embedded"
    recognizer: str = "embedded"
    engine: str = "transformers"
    adapter: Path | None = None
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
        return find_adapter(self.model, self.adapter)

    def head_set(self, pair: Pair) -> HeadSet | None:
        """Return the head set for a direction; None if only the engine can tell.

        Nothing is loaded for it.

        Raises
        ------
        AlignattError
            If none was given and none is shipped.
        """
        if self.heads is None and not find_engine(self.engine, self.model).weights:
            return None
        if found := self.heads:
            return found.best(self.head_count)
        taught = self.taught
        found = taught.head_set(pair) if taught else head_set_for(short_name(self.model), str(pair))
        return found.best(self.head_count)
