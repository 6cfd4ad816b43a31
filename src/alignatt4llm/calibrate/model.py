"""A language model, seen as a grid of heads."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alignatt4llm.calibrate.observe import Forcer
from alignatt4llm.errors import AlignattError
from alignatt4llm.heads.headset import HeadSet, Layout
from alignatt4llm.prompts.prompt import PromptForm
from alignatt4llm.text.languages import Pair
from alignatt4llm.weights.models import Weights, resolve_llm

if TYPE_CHECKING:
    from alignatt4llm.errors import Tell


def layout_of(weights: Weights) -> Layout:
    """Read a model's configuration; its weights are not loaded.

    Raises
    ------
    AlignattError
        If the configuration cannot be read.
    """
    try:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(weights.location).get_text_config()
    except ImportError as problem:
        raise _missing(problem) from problem
    except (OSError, ValueError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise AlignattError(f"'{weights.location}' has no usable config: {reason}") from problem
    layers = config.num_hidden_layers
    kinds = getattr(config, "layer_types", None) or []
    return Layout(
        layers=layers,
        heads=config.num_attention_heads,
        sliding=tuple(n for n, kind in enumerate(kinds) if kind == "sliding_attention"),
        shared=tuple(range(layers - (getattr(config, "num_kv_shared_layers", 0) or 0), layers)),
    )


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
    layout
        The grid of its heads.
    forcer
        Opened for all of them, in the order of ``layout.every``.
    form
        The prompt of its sessions.
    """

    name: str
    revision: str | None
    layout: Layout
    forcer: Forcer
    form: PromptForm


def load(name: str, pair: Pair, prompt: str, tell: "Tell") -> Model:
    """Load a model with all of its heads watched.

    On a CPU it runs in float32, which computes whole sentences several times faster there than
    the 16-bit types.

    Raises
    ------
    AlignattError
        If weights or packages are missing.
    """
    weights = resolve_llm(name, tell)
    layout = layout_of(weights)
    translator = _translator(weights)
    every = HeadSet(weights.name, str(pair), tuple(layout.every))
    form = translator.prompt_form(pair, prompt)
    return Model(weights.name, weights.revision, layout, translator.open(pair, every), form)


def _translator(weights: Weights) -> Any:
    try:
        import torch

        from alignatt4llm.translators.transformers import TransformersTranslator
    except ImportError as problem:
        raise _missing(problem) from problem
    dtype = "auto" if torch.cuda.is_available() else torch.float32
    return TransformersTranslator(weights.location, revision=weights.revision, dtype=dtype)


def _missing(problem: ImportError) -> AlignattError:
    return AlignattError(
        f"The package {problem.name} is not installed; pip install 'alignatt4llm[heads]'."
    )
