"""GGUF files of a few hundred bytes: headers as models have them, and next to no weights."""

from pathlib import Path

import numpy as np
from gguf import GGUFEndian, GGUFWriter


def write_gguf(
    path: Path, architecture: str = "qwen2", *, parts: int = 0, tensors: int = 2,
    tokenizer: str | None = "gpt2", endian: GGUFEndian = GGUFEndian.LITTLE, **general: str,
) -> Path:  # fmt: skip
    """Write a file and return it, or the first of ``parts`` files of one tensor each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(path, architecture, endianess=endian, split_max_tensors=int(parts > 0))
    for key, value in general.items():
        writer.add_string(f"general.{key}", value)
    writer.add_block_count(3)
    writer.add_context_length(64)
    if tokenizer:
        writer.add_string("tokenizer.ggml.model", tokenizer)
        writer.add_array("tokenizer.ggml.tokens", ["a", "bc", "‹ü›"])
        writer.add_array("tokenizer.ggml.scores", [0.5, 0.25, 0.0])
    for number in range(parts or tensors):
        writer.add_tensor(f"blk.{number}.attn_q.weight", np.full((2, 3), number, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.with_name(f"{path.stem}-00001-of-{parts:05}.gguf") if parts else path
