"""The table of engines: what can run the language model.

An engine is a module with ``load(asked: Asked) -> Loaded``, and a line in `ENGINES`. Nothing of it
is imported before it is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pkgutil import resolve_name

from alignatt4llm.errors import UsageError, extra
from alignatt4llm.translators.base import Asked, Loaded
from alignatt4llm.weights.adapters import find_adapter


@dataclass(frozen=True, slots=True)
class Engine:
    """A kind of engine.

    Attributes
    ----------
    help
        What it is, in a few words.
    load
        Where its ``load`` is, as ``package.module:name``.
    extra, needs
        The extra that installs it, and the packages without which it does not run.
    recognizer
        The recogniser that goes with it unless another is asked for; the preset's if empty.
    adapters
        Whether it applies adapters.
    weights
        Whether it has to be given a model. One that has not may also be asked for as a model.
    """

    help: str
    load: str
    extra: str = ""
    needs: tuple[str, ...] = ()
    recognizer: str = ""
    adapters: bool = False
    weights: bool = True


ADDRESS = "http://HOST:PORT"
"""Stands in the table for the address of any served engine."""

_HERE = "alignatt4llm.translators"

ENGINES: dict[str, Engine] = {
    "transformers": Engine(
        "in this process",
        f"{_HERE}.transformers:load",
        "transformers",
        ("torch", "transformers"),
        adapters=True,
    ),
    "llama.cpp": Engine(
        "in this process, a GGUF file",
        f"{_HERE}.llamacpp.translator:load",
        "llamacpp",
        adapters=True,
    ),
    "vllm": Engine("vLLM on this machine", f"{_HERE}.vllm.translator:load", "vllm", ("vllm",)),
    ADDRESS: Engine(
        "one that 'alignatt serve-engine' runs",
        f"{_HERE}.vllm.translator:load_served",
        "remote",
        ("transformers", "httpx"),
        weights=False,
    ),
    "scripted": Engine(
        "no model: says every word in capitals",
        f"{_HERE}.scripted:load",
        recognizer="scripted",
        weights=False,
    ),
}
"""Every engine, under the name that ``--engine`` takes."""


def find_engine(name: str, model: str = "") -> Engine:
    """Return an engine by its name or address; a model that needs no weights is its own engine.

    Raises
    ------
    UsageError
        If there is none; the message lists them.
    """
    key = ADDRESS if name.startswith(("http://", "https://")) else name
    if key not in ENGINES:
        raise UsageError(f"There is no engine '{name}'. There are: {', '.join(ENGINES)}.")
    own = ENGINES.get(model)
    return own if own and not own.weights else ENGINES[key]


def load_translator(name: str, asked: Asked) -> Loaded:
    """Load a model into an engine.

    Raises
    ------
    AlignattError
        If there is no such engine or model, packages are missing, it does not start, or it cannot
        apply the adapter.
    """
    engine = find_engine(name, asked.model)
    if adapter := asked.adapter or (find_adapter(asked.model) if engine.weights else None):
        if not engine.adapters:
            able = ", ".join(each for each, kind in ENGINES.items() if kind.adapters)
            raise UsageError(f"The engine '{name}' applies no adapters; take --engine {able}.")
        asked = replace(asked, model=adapter.model, adapter=adapter)
    with extra(engine.extra, f"The engine '{name}'"):
        load: Callable[[Asked], Loaded] = resolve_name(engine.load)
    return load(replace(asked, address=name))
