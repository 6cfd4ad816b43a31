"""GGUF to safetensors, once: a GGUF takes a minute to load each time, the copy two seconds."""

import warnings
from pathlib import Path

from alignatt4llm.errors import AlignattError, extra


def convert_gguf(file: Path, folder: Path) -> None:
    """Write a GGUF model and its tokeniser into ``folder``, as bfloat16 safetensors.

    Raises
    ------
    AlignattError
        If the libraries are missing or do not understand the file.
    """
    with extra("transformers", f"Converting '{file.name}'"):
        import gguf  # noqa: F401 - transformers would only say so late
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging
    shown = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = {"gguf_file": file.name}
            tokenizer = AutoTokenizer.from_pretrained(file.parent, **source)
            model = AutoModelForCausalLM.from_pretrained(
                file.parent, dtype=torch.bfloat16, **source
            )
            del model.config.quantization_config
            model.hf_quantizer, model.is_quantized = None, False
            model.save_pretrained(folder)
            if _wants_start(file):  # transformers drops this
                tokenizer.add_bos_token = True
            tokenizer.save_pretrained(folder)
    except (ValueError, KeyError, RuntimeError) as problem:
        raise AlignattError(f"'{file.name}' cannot be converted: {problem}") from problem
    finally:
        logging.set_verbosity(shown)
        if bars:
            logging.enable_progress_bar()


def _wants_start(file: Path) -> bool:
    """Whether the model expects its start token before every text."""
    from gguf import GGUFReader

    field = GGUFReader(file).get_field("tokenizer.ggml.add_bos_token")
    return field is not None and bool(field.contents())
