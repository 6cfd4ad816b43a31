"""Speech models in transformers format, from a folder to a device."""

from pathlib import Path
from typing import Any

from alignatt4llm.errors import AlignattError
from alignatt4llm.machine.device import Device


def load_checkpoint(path: Path, processor: Any, model: Any, device: Device) -> tuple[Any, Any]:
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
    parts = read(path, processor), read(path, model, dtype=device.torch_dtype)
    parts[1].to(device.name).eval().requires_grad_(False)
    return parts


def read(path: Path, part: Any, **options: Any) -> Any:
    """Load one part of a checkpoint; errors as for `load_checkpoint`."""
    try:
        return part.from_pretrained(path, local_files_only=True, **options)
    except (OSError, ValueError, KeyError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise AlignattError(f"'{path}' cannot be loaded as {part.__name__}: {reason}") from problem
