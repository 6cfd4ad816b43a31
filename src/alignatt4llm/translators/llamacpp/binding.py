"""llama.cpp's C library: where it is, and what of it is used.

A build of llama-cpp-python, which may be for this machine's GPU, is taken where it is installed,
with that package's own definitions; else the library inside the ready-made wheels of xllamacpp, for
which the definitions are here. They change within weeks, so they hold for exactly one build.
"""

import ctypes
from collections import deque
from ctypes import (
    POINTER,
    Structure,
    c_bool,
    c_char_p,
    c_float,
    c_int,
    c_int8,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_void_p,
)
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alignatt4llm.errors import AlignattError, install
from alignatt4llm.machine.packages import installed

WHEEL = "xllamacpp"
BUILD = "2026.10.11549"
"""The one version of the wheels for which the definitions here hold."""
OWN = "llama-cpp-python"

WATCHER = ctypes.CFUNCTYPE(c_bool, c_void_p, c_bool, c_void_p)
"""``bool (tensor, ask, data)``: asked about every tensor, and called again once it is computed."""
_LOG = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)
_ERROR = 4


class ModelParams(Structure):
    """``llama_model_params``."""

    _fields_ = [
        ("devices", c_void_p),
        ("tensor_buft_overrides", c_void_p),
        ("n_gpu_layers", c_int32),
        ("split_mode", c_int),
        ("load_mode", c_int),
        ("lazy_mode", c_int),
        ("main_gpu", c_int32),
        ("tensor_split", c_void_p),
        ("progress_callback", c_void_p),
        ("progress_callback_user_data", c_void_p),
        ("kv_overrides", c_void_p),
        *((name, c_bool) for name in ("vocab_only", "check_tensors", "use_extra_bufts")),
        *((name, c_bool) for name in ("no_host", "no_alloc", "load_mtp")),
    ]


class ContextParams(Structure):
    """``llama_context_params``."""

    _fields_ = [
        *((name, c_uint32) for name in ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq")),
        *((name, c_uint32) for name in ("n_outputs_max", "n_outputs_max_per_seq")),
        *((name, c_int32) for name in ("n_threads", "n_threads_batch")),
        *((name, c_int) for name in ("ctx_type", "rope_scaling_type", "pooling_type")),
        *((name, c_int) for name in ("attention_type", "flash_attn_type")),
        *((name, c_float) for name in ("rope_freq_base", "rope_freq_scale", "yarn_ext_factor")),
        *((name, c_float) for name in ("yarn_attn_factor", "yarn_beta_fast", "yarn_beta_slow")),
        ("yarn_orig_ctx", c_uint32),
        ("defrag_thold", c_float),
        ("cb_eval", WATCHER),
        ("cb_eval_user_data", c_void_p),
        ("type_k", c_int),
        ("type_v", c_int),
        ("moe_cache_size", c_size_t),
        ("abort_callback", c_void_p),
        ("abort_callback_data", c_void_p),
        *((name, c_bool) for name in ("embeddings", "offload_kqv", "no_perf", "op_offload")),
        ("swa_full", c_bool),
        ("kv_unified", c_bool),
        ("samplers", c_void_p),
        ("n_samplers", c_size_t),
        ("ctx_other", c_void_p),
    ]


class Batch(Structure):
    """``llama_batch``."""

    _fields_ = [
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", POINTER(c_float)),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    ]


class Tensor(Structure):
    """The first fields of ``ggml_tensor``, which all builds share."""

    _fields_ = [
        ("type", c_int),
        ("buffer", c_void_p),
        ("ne", c_int64 * 4),
        ("nb", c_size_t * 4),
    ]


_DEFAULTS: dict[str, dict[str, Any]] = {
    "model": {"n_gpu_layers": -1, "split_mode": 1, "main_gpu": 0, "vocab_only": False},
    "context": {
        "n_ctx": 512,
        "n_batch": 2048,
        "n_ubatch": 512,
        "n_seq_max": 1,
        "flash_attn_type": -1,
        "rope_scaling_type": -1,
        "yarn_ext_factor": -1.0,
        "defrag_thold": -1.0,
        "type_k": 1,
        "type_v": 1,
        "embeddings": False,
        "offload_kqv": True,
        "swa_full": True,
        "kv_unified": False,
        "n_samplers": 0,
    },
}
"""What a library's default parameters are, by which definitions that do not fit show."""

_TEXT = (c_char_p, c_int32)


def _functions(model: type, context: type, batch: type) -> dict[str, tuple[Any, ...]]:
    """Return what is used: the result's type, then those of the arguments."""
    handle = c_void_p
    return {
        "llama_backend_init": (None,),
        "llama_log_set": (None, _LOG, handle),
        "llama_supports_gpu_offload": (c_bool,),
        "llama_print_system_info": (c_char_p,),
        "llama_model_default_params": (model,),
        "llama_context_default_params": (context,),
        "llama_model_load_from_file": (handle, c_char_p, model),
        "llama_model_free": (None, handle),
        "llama_model_n_ctx_train": (c_int32, handle),
        "llama_model_n_layer": (c_int32, handle),
        "llama_model_n_head": (c_int32, handle),
        "llama_model_is_recurrent": (c_bool, handle),
        "llama_model_is_hybrid": (c_bool, handle),
        "llama_model_has_encoder": (c_bool, handle),
        "llama_model_meta_val_str": (c_int32, handle, c_char_p, c_char_p, c_size_t),
        "llama_model_chat_template": (c_char_p, handle, c_char_p),
        "llama_model_get_vocab": (handle, handle),
        "llama_vocab_n_tokens": (c_int32, handle),
        "llama_vocab_type": (c_int, handle),
        "llama_vocab_bos": (c_int32, handle),
        "llama_vocab_eos": (c_int32, handle),
        "llama_vocab_is_eog": (c_bool, handle, c_int32),
        "llama_vocab_is_control": (c_bool, handle, c_int32),
        "llama_vocab_get_text": (c_char_p, handle, c_int32),
        "llama_vocab_get_add_bos": (c_bool, handle),
        "llama_tokenize": (c_int32, handle, *_TEXT, POINTER(c_int32), c_int32, c_bool, c_bool),
        "llama_token_to_piece": (c_int32, handle, c_int32, *_TEXT, c_int32, c_bool),
        "llama_init_from_model": (handle, handle, context),
        "llama_free": (None, handle),
        "llama_set_n_threads": (None, handle, c_int32, c_int32),
        "llama_batch_init": (batch, c_int32, c_int32, c_int32),
        "llama_batch_free": (None, batch),
        "llama_decode": (c_int32, handle, batch),
        "llama_get_logits_ith": (POINTER(c_float), handle, c_int32),
        "llama_get_memory": (handle, handle),
        "llama_memory_seq_rm": (c_bool, handle, c_int32, c_int32, c_int32),
        "llama_memory_seq_cp": (None, handle, c_int32, c_int32, c_int32, c_int32),
        "ggml_get_name": (c_char_p, handle),
        "ggml_backend_tensor_get": (None, handle, handle, c_size_t, c_size_t),
    }


@dataclass(frozen=True)
class Library:
    """llama.cpp, loaded.

    Attributes
    ----------
    name
        Where it comes from: a package and its version.
    call
        Its functions.
    watcher
        Type of the callback that watches tensors.
    problems
        What it said last of what went wrong.
    """

    name: str
    call: Any
    watcher: type
    problems: deque[str]

    def problem(self) -> str:
        """Return what went wrong last, in its words, and forget it."""
        said = " ".join(self.problems).strip().rstrip(".")
        self.problems.clear()
        return said or "it gives no reason"


@cache
def library() -> Library:
    """Load llama.cpp once.

    Raises
    ------
    ImportError
        If no package brings it.
    AlignattError
        If library and definitions do not belong together.
    """
    return _own() if find_spec("llama_cpp") else _wheel()


def _own() -> Library:
    from llama_cpp import llama_cpp as own

    path = Path(own._lib._name)
    types = own.llama_model_params, own.llama_context_params, own.llama_batch
    return _checked(f"{OWN} {installed(OWN)}", path, types, own.ggml_backend_sched_eval_callback)


def _wheel() -> Library:
    spec = find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named '{WHEEL}'", name=WHEEL)
    if (version := installed(WHEEL)) != BUILD:
        raise AlignattError(
            f"{WHEEL} {version} is installed, but this program knows the insides of {BUILD} only; "
            f"{install(f'{WHEEL}=={BUILD}')}."
        )
    found = sorted(Path(spec.origin).parent.glob(f"{WHEEL}*.[spd][oy]*"))
    paths = [path for path in found if path.suffix in (".so", ".pyd", ".dylib")]
    if not paths:
        raise AlignattError(f"{WHEEL} {version} holds no library; install it again.")
    return _checked(f"{WHEEL} {version}", paths[0], (ModelParams, ContextParams, Batch), WATCHER)


def _checked(name: str, path: Path, types: tuple[type, type, type], watcher: type) -> Library:
    """Load a library and see that it is the one the definitions are for."""
    try:
        call = ctypes.CDLL(str(path))
        for function, (result, *arguments) in _functions(*types).items():
            entry = getattr(call, function)
            entry.restype, entry.argtypes = result, arguments
    except (OSError, AttributeError) as problem:
        raise AlignattError(f"The library of {name} does not load: {problem}.") from problem
    for kind, expected in _DEFAULTS.items():
        params = getattr(call, f"llama_{kind}_default_params")()
        found = {key: getattr(params, key) for key in expected}
        if found != expected:
            raise AlignattError(
                f"The library of {name} and its definitions do not belong together; "
                f"{install('--force-reinstall', f'{WHEEL}=={BUILD}')} gives a pair that does."
            )
    problems: deque[str] = deque(maxlen=8)
    call.llama_log_set(_keeping(problems), None)
    call.llama_backend_init()
    return Library(name, call, watcher, problems)


_kept: list[Any] = []
"""Callbacks that the library holds; Python must not free them."""


def _keeping(problems: deque[str]) -> Any:
    """Return what hears the library's messages and keeps those of errors."""

    def hear(level: int, text: bytes, _data: Any) -> None:
        if level == _ERROR and (said := text.decode("utf-8", "replace").strip()):
            problems.append(said.rpartition(": ")[2] if said.startswith("llama_") else said)

    _kept.append(_LOG(hear))
    return _kept[-1]
