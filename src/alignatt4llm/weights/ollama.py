"""Models that Ollama has on this machine; Ollama itself is not needed."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.files.reading import read_json

PREFIX = "ollama:"
_SERVICE = Path("/usr/share/ollama/.ollama/models")
"""Where Ollama keeps models when it runs as a service of a Linux system."""
_HOSTS = ("registry.ollama.ai", "ollama.com")
"""Ollama's own registry, which names of models leave out."""
_KIND = "application/vnd.ollama.image."
"""Begins the media type of a layer."""


def ollama_models() -> dict[str, Path]:
    """Return the manifests of all models, by name as Ollama lists them, ``NAME:TAG``."""
    found: dict[str, Path] = {}
    for folder in _folders():
        for manifest in sorted(folder.glob("manifests*/*/*/*/*")):
            if manifest.is_file() and not manifest.name.startswith("."):
                found.setdefault(_name(*manifest.parts[-4:]), manifest)
    return found


def ollama_file(name: str) -> Path:
    """Return the GGUF file of a model that Ollama has.

    Parameters
    ----------
    name
        As ``ollama run`` takes it: ``NAME``, ``NAME:TAG``, ``NAMESPACE/NAME:TAG``,
        ``hf.co/OWNER/REPOSITORY:TAG``; the tag is ``latest`` unless given.

    Raises
    ------
    AlignattError
        If Ollama has no such model, not all of it, or not as one GGUF file.
    """
    models, asked = ollama_models(), _full(name)
    manifest = next((path for each, path in models.items() if _same(each, asked)), None)
    if manifest is None:
        there = ", ".join(models) or f"nothing in {_folders()[0]}"
        raise UsageError(
            f"Ollama has no model '{asked}' on this machine. It has: {there}. 'ollama pull "
            f"{asked}' downloads one; OLLAMA_MODELS names the folder of its models."
        )
    blob = _blob(manifest, _weights(_layers(manifest, asked), asked))
    if not blob.is_file():
        raise AlignattError(
            f"Ollama has not all of '{asked}': there is no file '{blob}'. 'ollama pull {asked}' "
            "completes it."
        )
    return blob


def _folders() -> list[Path]:
    chosen = os.environ.get("OLLAMA_MODELS", "").strip(" '\"")
    return [Path(chosen).expanduser()] if chosen else [Path.home() / ".ollama/models", _SERVICE]


def _name(host: str, space: str, model: str, tag: str) -> str:
    if host not in _HOSTS:
        return f"{host}/{space}/{model}:{tag}"
    return f"{model}:{tag}" if space == "library" else f"{space}/{model}:{tag}"


def _full(name: str) -> str:
    """Return a name as `ollama_models` has it."""
    host, _, rest = name.partition("/")
    short = (rest if host.lower() in _HOSTS else name).removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _layers(manifest: Path, name: str) -> dict[str, list[str]]:
    """Return the hashes of a model's layers by kind; of several variants, one that has a GGUF."""
    try:
        record = read_json(manifest)
        variants = [record, *(_variant(manifest, each) for each in record.get("manifests") or ())]
        found = [_by_kind(each.get("layers") or ()) for each in variants]
    except (UsageError, KeyError, TypeError, ValueError, AttributeError) as problem:
        raise AlignattError(
            f"What Ollama knows of '{name}' cannot be read from '{manifest}'; 'ollama pull {name}' "
            "makes it anew."
        ) from problem
    return next((each for each in found if "model" in each), {})


def _variant(manifest: Path, entry: dict[str, Any]) -> dict[str, Any]:
    return entry if entry.get("layers") else dict(read_json(_blob(manifest, entry["digest"])))


def _by_kind(layers: Iterable[dict[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for layer in layers:
        found.setdefault(layer["mediaType"].removeprefix(_KIND), []).append(layer["digest"])
    return found


def _blob(manifest: Path, digest: str) -> Path:
    return manifest.parents[4] / "blobs" / digest.replace(":", "-")


def _weights(layers: dict[str, list[str]], name: str) -> str:
    """Return the hash of the one GGUF file among a model's layers."""
    files = layers.get("model", [])
    if len(files) != 1:
        raise UsageError(
            f"Ollama's model '{name}' is not one GGUF file: it is in another format, or runs "
            "elsewhere. Give a model that is."
        )
    if "adapter" in layers:
        raise UsageError(
            f"Ollama's model '{name}' has an adapter, which would be left out. Give a model "
            "without one, or one into which it is merged."
        )
    return files[0]
