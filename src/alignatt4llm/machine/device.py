"""Where models run, and in which number type."""

import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alignatt4llm.errors import UsageError

KINDS = ("cuda", "mps", "cpu")


@dataclass(frozen=True, slots=True)
class Device:
    """A place for a model.

    Attributes
    ----------
    name
        ``cuda``, ``mps`` or ``cpu``, as torch calls them; ``cuda:1`` for the second GPU.
    dtype
        Name of the torch type of weights, or ``auto`` for the type they are stored in.
    """

    name: str
    dtype: str = "auto"

    def __post_init__(self) -> None:
        if self.name.partition(":")[0] not in KINDS:
            raise UsageError(f"'{self.name}' is no device; choose {', '.join(KINDS)}.")

    @classmethod
    def best(cls) -> "Device":
        """Return the fastest device here, or the one that ``ALIGNATT_DEVICE`` names.

        Weights stay in the type they are stored in, bfloat16 for most models, except where that
        cannot be computed with. There they get float32: float16 overflows in several families.

        Raises
        ------
        UsageError
            If ``ALIGNATT_DEVICE`` names a device that is not there.
        """
        import torch

        there: dict[str, Callable[[], bool]] = {
            "cuda": torch.cuda.is_available,
            "mps": torch.backends.mps.is_available,
        }
        wanted = os.environ.get("ALIGNATT_DEVICE", "")
        name = wanted or next((kind for kind, is_there in there.items() if is_there()), "cpu")
        device = cls(name)
        is_there = there.get(name.partition(":")[0])
        if is_there is not None and not is_there():
            raise UsageError(f"ALIGNATT_DEVICE is '{name}', but torch finds no such device here.")
        return device if computes_bfloat16(name) else cls(name, "float32")

    @property
    def torch_dtype(self) -> Any:
        """What ``from_pretrained`` wants as its ``dtype``."""
        import torch

        return self.dtype if self.dtype == "auto" else getattr(torch, self.dtype)


def computes_bfloat16(name: str = "cpu") -> bool:
    """Whether a device has instructions, or library routines, for matrices of bfloat16."""
    import torch

    if name.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if name == "cpu":
        has_routines: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        return has_routines and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return True


def free_memory() -> None:
    """Give a GPU's memory that nothing uses any more back to other processes."""
    gc.collect()
    if "torch" in sys.modules:
        import torch

        torch.cuda.empty_cache()
