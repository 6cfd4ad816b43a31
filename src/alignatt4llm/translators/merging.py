"""Low-rank adapters added to a model's weights: it is as fast as before."""

import warnings
from typing import Any

from safetensors import SafetensorError
from transformers import PreTrainedModel

from alignatt4llm.errors import AlignattError, extra
from alignatt4llm.weights.adapters import Adapter


def merge(model: PreTrainedModel, adapter: Adapter) -> Any:
    """Return the model with an adapter added to its weights, in their own type.

    Raises
    ------
    AlignattError
        If peft is not installed, or the adapter does not fit the model.
    """
    with extra("adapt", f"The adapter '{adapter.folder}'"):
        from peft import PeftModel
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # peft only warns of weights that are missing
            adapted = PeftModel.from_pretrained(model, str(adapter.folder))
        return adapted.merge_and_unload()
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, UserWarning) as problem:
        raise AlignattError(
            f"The adapter '{adapter.folder}' cannot be applied to this model; it is damaged, or "
            f"was made for another than {adapter.base}."
        ) from problem
