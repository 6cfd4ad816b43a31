"""The table of engines: what can run the language model.

An engine is a module with ``load(asked: Asked) -> Loaded``, and a line in `ENGINES`. Nothing of it
is imported before it is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pkgutil import resolve_name

from alignatt4llm.errors import UsageError, extra
from alignatt4llm.machine.packages import lacking
from alignatt4llm.translators.base import Asked, Loaded
from alignatt4llm.weights.adapters import Adapter, find_adapter
from alignatt4llm.weights.embedded import find_embedded
from alignatt4llm.weights.models import is_gguf


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
        The extra that installs it, and the packages without which it does not run; see `lacking`.
    packages
        The distributions whose versions say which engine it is.
    recognizer
        The recogniser that goes with it unless another is asked for; the preset's if empty.
    adapters
        Whether it applies adapters.
    calibrated_by
        The engine that calibrates head sets for it before it starts, where it cannot itself.
    weights
        Whether it has to be given a model. One that has not may also be asked for as a model.
    """

    help: str
    load: str
    extra: str = ""
    needs: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    recognizer: str = ""
    adapters: bool = False
    calibrated_by: str = ""
    weights: bool = True

    @property
    def installed(self) -> bool:
        """Whether the packages that it needs are there."""
        return not lacking(self.needs)


AUTO = "auto"
"""The engine, or the model, that fits."""

ADDRESS = "http://HOST:PORT"
"""Stands in the table for the address of any served engine."""

_HERE = "alignatt4llm.translators"
_LLAMA, _HUB = "llama.cpp", "transformers"

ENGINES: dict[str, Engine] = {
    _HUB: Engine(
        "in this process",
        f"{_HERE}.transformers:load",
        "transformers",
        ("torch", "transformers"),
        ("torch", "transformers"),
        adapters=True,
    ),
    _LLAMA: Engine(
        "in this process, a GGUF file",
        f"{_HERE}.llamacpp.translator:load",
        "llamacpp",
        ("llama_cpp or xllamacpp", "jinja2", "psutil"),
        ("llama-cpp-python", "xllamacpp"),
        adapters=True,
    ),
    "vllm": Engine(
        "vLLM on this machine",
        f"{_HERE}.vllm.translator:load",
        "vllm",
        ("vllm",),
        calibrated_by=_HUB,
    ),
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


def find_engine(name: str, model: str = "", taught: bool = False) -> Engine:
    """Return an engine; parameters and errors as for `engine_name`."""
    name = engine_name(name, model, taught)
    return ENGINES[ADDRESS if _is_address(name) else name]


def engine_name(name: str, model: str = "", taught: bool = False) -> str:
    """Return the name or address of the engine that is meant.

    A model that needs no weights is its own engine. ``auto`` is llama.cpp for a GGUF file and,
    where it is installed, for the models that come as one; transformers for everything else.

    Parameters
    ----------
    name
        ``auto``, a name from `ENGINES`, or an address.
    model
        As for ``--model``; ``auto`` for one that comes with the package.
    taught
        Whether an adapter is applied.

    Raises
    ------
    UsageError
        If there is no such engine; the message lists them.
    """
    if not (name in (AUTO, *ENGINES) or _is_address(name)):
        raise UsageError(f"There is no engine '{name}'. There are: {', '.join((AUTO, *ENGINES))}.")
    if model in ENGINES and not ENGINES[model].weights:
        return model
    return _fitting(model, taught) if name == AUTO else name


def _fitting(model: str, taught: bool) -> str:
    """Return the engine in this process that suits a model."""
    if taught and not ENGINES[_LLAMA].adapters:
        return _HUB
    comes_as_one = model == AUTO or find_embedded(model, "llm")
    other = not ENGINES[_LLAMA].installed and ENGINES[_HUB].installed
    return _LLAMA if is_gguf(model) or (comes_as_one and not other) else _HUB


def _is_address(name: str) -> bool:
    return name.startswith(("http://", "https://"))


def load_translator(name: str, asked: Asked) -> Loaded:
    """Load a model into an engine.

    Raises
    ------
    AlignattError
        If there is no such engine or model, packages are missing, it does not start, or it cannot
        apply the adapter.
    """
    adapter = asked.adapter or _own_adapter(name, asked.model)
    model = adapter.model if adapter else asked.model
    name = engine_name(name, model, bool(adapter))
    engine = find_engine(name)
    if adapter and not engine.adapters:
        able = ", ".join(each for each, kind in ENGINES.items() if kind.adapters)
        raise UsageError(f"The engine '{name}' applies no adapters; take --engine {able}.")
    asked = replace(asked, model=model, adapter=adapter)
    check_installed(name, model)
    with extra(engine.extra, f"The engine '{name}'"):
        load: Callable[[Asked], Loaded] = resolve_name(engine.load)
    return load(replace(asked, address=name))


def check_installed(name: str, model: str = "") -> None:
    """Raise AlignattError if packages are missing that an engine needs.

    A model that comes with the package, and is missing as well, is named with the engine.
    """
    engine, known = find_engine(name), find_embedded(model, "llm")
    extras = [known.extra] if known and known.state == "missing" else []
    with extra(",".join([*extras, engine.extra]), f"The engine '{name}'"):
        for package in lacking(engine.needs):
            raise ModuleNotFoundError(name=package)


def _own_adapter(engine: str, model: str) -> Adapter | None:
    """Return the adapter that a model is, of an engine that takes models."""
    return find_adapter(model) if find_engine(engine, model).weights else None
