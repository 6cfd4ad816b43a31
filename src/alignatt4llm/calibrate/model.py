"""A language model, seen as a grid of heads."""

from dataclasses import dataclass

from alignatt4llm.errors import AlignattError, Tell, UsageError, extra
from alignatt4llm.heads.headset import HeadSet, Layout
from alignatt4llm.prompts.prompt import PromptForm
from alignatt4llm.text.languages import Pair
from alignatt4llm.translators.base import Asked, Forcer, Forcing, Loaded
from alignatt4llm.translators.table import load_translator
from alignatt4llm.weights.models import Weights


def layout_of(weights: Weights) -> Layout:
    """Read a model's configuration; its weights are not loaded.

    Raises
    ------
    AlignattError
        If the configuration cannot be read.
    """
    with extra("heads", "Reading a model's configuration"):
        from transformers import AutoConfig
    try:
        return Layout.of(AutoConfig.from_pretrained(weights.location))
    except (OSError, ValueError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise AlignattError(f"'{weights.location}' has no usable config: {reason}") from problem


def check(heads: HeadSet, layout: Layout) -> None:
    """Make sure that a head set fits a model.

    Raises
    ------
    AlignattError
        If it was made for a model of another shape, or names heads that the model has not.
    """
    made_for = heads.layout or layout
    if (made_for.layers, made_for.heads) != (layout.layers, layout.heads):
        raise AlignattError(
            f"The head set for {heads.model} is for {made_for}; this model has {layout}. "
            "Make one with 'alignatt heads calibrate'."
        )
    strange = [head for head in heads.heads if head not in layout.every]
    if strange:
        raise AlignattError(
            f"The head set names head {strange[0]}, counted from 0, but the model has {layout}."
        )


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model that says given translations.

    Attributes
    ----------
    name, revision
        As head sets name it.
    weights
        Which weights they are; see `Loaded.weights`.
    layout
        The grid of its heads.
    forcer
        Opened for all of them, in the order of ``layout.every``.
    form
        The prompt of its sessions.
    """

    name: str
    revision: str | None
    weights: str
    layout: Layout
    forcer: Forcer
    form: PromptForm


def load(name: str, pair: Pair, prompt: str, tell: Tell, engine: str = "transformers") -> Model:
    """Load a model with all of its heads watched; errors as for loading and for `watched`."""
    loaded = load_translator(engine, Asked(name, sentences=True, tell=tell))
    return watched(loaded, pair, loaded.translator.prompt_form(pair, prompt))


def watched(loaded: Loaded, pair: Pair, form: PromptForm) -> Model:
    """Return a loaded model with all of its heads watched.

    Raises
    ------
    AlignattError
        If its engine cannot be made to say given translations.
    """
    translator = loaded.translator
    if not isinstance(translator, Forcing):
        raise UsageError(
            f"The engine that runs '{loaded.name}' cannot read all heads of a given translation, "
            "which calibrating needs; take another with --engine."
        )
    every = HeadSet(loaded.name, str(pair), tuple(translator.layout.every))
    forcer = translator.forcer(pair, every)
    return Model(loaded.name, loaded.revision, loaded.weights, translator.layout, forcer, form)
