"""GGUF to safetensors, once: a GGUF takes a minute to load each time, the copy two seconds."""

import warnings
from pathlib import Path

from alignatt4llm.errors import AlignattError


def convert_gguf(gguf: Path, folder: Path) -> None:
    """Write a GGUF model and its tokeniser into ``folder``, as bfloat16 safetensors.

    Raises
    ------
    AlignattError
        If the libraries are missing or do not understand the file.
    """
    try:
        import gguf  # noqa: F401 - transformers needs it and fails late without
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    except ImportError as problem:
        raise AlignattError(
            f"Converting '{gguf.name}' needs {problem.name}; install it with "
            "pip install 'alignatt4llm[embedded]'."
        ) from problem
    shown = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source, file = str(gguf.parent), gguf.name
            tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=file)
            model = AutoModelForCausalLM.from_pretrained(
                source, gguf_file=file, dtype=torch.bfloat16
            )
            del model.config.quantization_config
            model.hf_quantizer, model.is_quantized = None, False
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except (ValueError, KeyError, RuntimeError) as problem:
        raise AlignattError(f"'{gguf.name}' cannot be converted: {problem}") from problem
    finally:
        logging.set_verbosity(shown)
