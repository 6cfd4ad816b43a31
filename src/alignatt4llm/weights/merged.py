"""A GGUF file with an adapter added to its weights: it is as fast as before."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignatt4llm.errors import AlignattError, Tell, extra
from alignatt4llm.weights.adapters import Adapter
from alignatt4llm.weights.cache import prepare
from alignatt4llm.weights.gguf_files import part_names
from alignatt4llm.weights.wheels import sha256_of

_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
_BEFORE = "base_model.model."
_ROTATED = ("attn_q.weight", "attn_k.weight")
"""Tensors whose rows some architectures keep in another order than transformers."""

Float = NDArray[np.float32]


def merged(file: Path, adapter: Adapter, tell: Tell) -> Path:
    """Return a GGUF file with an adapter added, made once and kept in the cache.

    What the adapter changes is stored with 8 bits a weight (Q8_0), whatever it had before.

    Parameters
    ----------
    file
        The model's GGUF file.
    adapter
        What it was taught.
    tell
        Is told when the file is made.

    Raises
    ------
    AlignattError
        If the adapter does not fit the model, or packages are missing.
    """
    source = hashlib.sha256()
    parts = [file.with_name(name) for name in part_names(file.name)]
    for part in (*parts, adapter.folder / _WEIGHTS, adapter.folder / _CONFIG):
        if not part.is_file():
            raise _unfit(adapter)
        source.update(sha256_of(part).encode())

    def fill(folder: Path) -> None:
        tell(f"Adding {adapter.name} to its model, once; this takes some seconds")
        _write(file, changes(adapter), folder / f"{adapter.name}.gguf", adapter)

    folder = prepare(f"{adapter.name}.gguf", source.hexdigest(), fill)
    return folder / f"{adapter.name}.gguf"


def changes(adapter: Adapter) -> dict[str, Float]:
    """Return what an adapter adds to each weight, shape [out, in], by the name of its module."""
    with extra("llamacpp", f"The adapter '{adapter.folder}'"):
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    try:
        config = json.loads((adapter.folder / _CONFIG).read_text("utf-8"))
        weights = load_file(adapter.folder / _WEIGHTS)
        scale = config["lora_alpha"] / config["r"]
        downs = {name: down for name, down in weights.items() if name.endswith(".lora_A.weight")}
        return {
            name.removeprefix(_BEFORE).removesuffix(".lora_A.weight"): np.float32(scale)
            * weights[name.replace(".lora_A.", ".lora_B.")].astype(np.float32)
            @ down.astype(np.float32)
            for name, down in downs.items()
        }
    except (OSError, ValueError, KeyError, SafetensorError) as problem:
        raise _unfit(adapter) from problem


def _write(file: Path, added: dict[str, Float], target: Path, adapter: Adapter) -> None:
    """Copy a GGUF file, some of its weights changed."""
    with extra("llamacpp", f"The adapter '{adapter.folder}'"):
        import gguf
    readers = [gguf.GGUFReader(file.with_name(name)) for name in part_names(file.name)]
    architecture = readers[0].fields["general.architecture"].contents()
    left = _named(readers[0], architecture, added)
    writer = gguf.GGUFWriter(target, architecture)
    for field in readers[0].fields.values():
        if not field.name.startswith(_OWN):
            inner = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(field.name, field.contents(), field.types[0], inner)
    for tensor in (tensor for reader in readers for tensor in reader.tensors):
        data, kind = tensor.data, tensor.tensor_type
        if (change := left.pop(tensor.name, None)) is not None:
            whole = gguf.quants.dequantize(data, kind)
            if whole.shape != change.shape:
                raise _unfit(adapter)
            kind = kind if kind in _PLAIN else gguf.GGMLQuantizationType.Q8_0
            data = gguf.quants.quantize(whole + change, kind)
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
    if left:
        raise _unfit(adapter)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


_OWN = ("GGUF.", "general.architecture", "split.")
"""What a file says of itself alone."""
_PLAIN = (0, 1, 30)
"""Types without blocks: F32, F16, BF16."""


def _named(reader: Any, architecture: str, added: dict[str, Float]) -> dict[str, Float]:
    """Return changes by the names that a GGUF file gives the weights, rows in its order."""
    import gguf

    def number(key: str) -> int:
        return int(reader.fields[f"{architecture}.{key}"].contents())

    kind = next(each for each, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, number("block_count"))
    found = {f"{names.get_name(name) or name}.weight": change for name, change in added.items()}
    if architecture != "llama":
        return found
    heads = {"q": number("attention.head_count"), "k": number("attention.head_count_kv")}
    return {
        name: _rotated(change, heads[name[-8]]) if name.endswith(_ROTATED) else change
        for name, change in found.items()
    }


def _rotated(weight: Float, heads: int) -> Float:
    """Return rows [H·d, in] as Llama's GGUF files have them: halves of each head interleaved."""
    split = weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1)
    return split.swapaxes(1, 2).reshape(weight.shape)


def _unfit(adapter: Adapter) -> AlignattError:
    return AlignattError(
        f"The adapter '{adapter.folder}' cannot be applied to this model; it is damaged, or "
        f"was made for another than {adapter.base}."
    )
