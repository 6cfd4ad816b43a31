"""Speech models in transformers format, from a folder to a device."""

from pathlib import Path
from typing import Any

from alignatt4llm.device import Device
from alignatt4llm.errors import AlignattError


def load(path: Path, processor: Any, model: Any, device: Device) -> tuple[Any, Any]:
    """Load processor and model from a folder, ready to run.

    Parameters
    ----------
    path
        The folder, with the files as a hub has them.
    processor, model
        Classes with ``from_pretrained``.
    device
        Where the model runs.

    Raises
    ------
    AlignattError
        If the folder does not hold such a model.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        parts = (
            processor.from_pretrained(path, local_files_only=True),
            model.from_pretrained(path, local_files_only=True, dtype=device.torch_dtype),
        )
    except (OSError, ValueError, KeyError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise AlignattError(f"'{path}' cannot be loaded as {model.__name__}: {reason}") from problem
    parts[1].to(device.name).eval().requires_grad_(False)
    return parts
