"""Adapters: what a model was taught, in a folder, and what belongs to it."""

import json
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Self

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.files.writing import write_whole
from alignatt4llm.heads.headset import Head, HeadSet, Layout
from alignatt4llm.heads.loading import load_head_set
from alignatt4llm.text.languages import Pair
from alignatt4llm.weights.identity import identity
from alignatt4llm.weights.models import place_of, short_name

FILE = "alignatt.json"
"""What this package knows of an adapter, beside the files of peft."""
VERSION = 1

SHIPPED = {"embedded-taught": "taught"}
"""Adapters that come with the package, as for ``--model``, and their folders."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What a model was taught.

    Attributes
    ----------
    folder
        Where its weights are, as peft writes them.
    model
        The model that it is for, as for ``--model``.
    base
        Its short name.
    prompt
        The prompt that it was taught with, a name from `prompts.FORMS`.
    pairs
        Directions, as ``en-de``.
    heads
        Heads that were taught where to look.
    layout
        The grid of the model's heads.
    origin
        How it was made and how good it is: data, settings, measurements.
    """

    folder: Path
    model: str
    base: str
    prompt: str
    pairs: tuple[str, ...]
    heads: tuple[Head, ...] = ()
    layout: Layout | None = None
    origin: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the adapted model, as head sets know it."""
        return f"{self.base}+{self.folder.resolve().name}"

    def head_set(self, pair: Pair) -> HeadSet | None:
        """Return the head set that comes with it for a direction; None if none does.

        It is the file ``heads.en-de.json`` in the folder; without one, the mean of the heads that
        were taught.
        """
        file = self.folder / f"heads.{pair}.json"
        if file.exists():
            return load_head_set(file)
        if self.heads and str(pair) in self.pairs:
            taught = {"kind": "taught"}
            return HeadSet(self.name, str(pair), self.heads, layout=self.layout, origin=taught)
        return None

    def save(self) -> None:
        """Write what belongs to the weights beside them."""
        record = {
            "version": VERSION,
            "model": self.model,
            "base": self.base,
            "prompt": self.prompt,
            "pairs": self.pairs,
            "heads": self.heads,
            "layout": self.layout and {"layers": self.layout.layers, "heads": self.layout.heads},
            "origin": self.origin,
        }
        text = json.dumps(record, indent=1, ensure_ascii=False)
        write_whole(self.folder / FILE, text + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read an adapter's folder; its weights are not loaded.

        Raises
        ------
        AlignattError
            If there is none, or it was not made by ``alignatt adapt``, or by another version.
        """
        if not folder.is_dir():
            raise UsageError(f"There is no folder '{folder}'.")
        try:
            record = json.loads((folder / FILE).read_text("utf-8"))
            if record["version"] != VERSION:
                raise AlignattError(
                    f"'{folder}' is an adapter of version {record['version']}; this program reads "
                    f"version {VERSION}. Make it anew with 'alignatt adapt'."
                )
            return cls._parse(folder, record)
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise AlignattError(
                f"'{folder}' holds no readable {FILE}; give a folder that 'alignatt adapt' has "
                "finished."
            ) from problem

    @classmethod
    def _parse(cls, folder: Path, record: dict[str, Any]) -> Self:
        grid = record["layout"]
        return cls(
            folder,
            record["model"],
            record["base"],
            record["prompt"],
            tuple(str(Pair.parse(pair)) for pair in record["pairs"]),
            tuple((int(layer), int(head)) for layer, head in record["heads"]),
            Layout(int(grid["layers"]), int(grid["heads"])) if grid else None,
            record["origin"],
        )


def find_adapter(model: str, folder: Path | None = None) -> Adapter | None:
    """Return the adapter that a model is used with; None if it is used as it is.

    Parameters
    ----------
    model
        As for ``--model``; it may be the folder of an adapter, or the name of one that comes with
        the package: it names its model itself.
    folder
        The adapter's folder, if it is given beside the model.

    Raises
    ------
    AlignattError
        If the adapter cannot be read, or is for another model.
    """
    if folder is None:
        own = shipped_adapter(model) or Path(model).expanduser()
        return Adapter.read(own) if (own / FILE).is_file() else None
    found = Adapter.read(folder.expanduser())
    if short_name(model) != found.base:
        raise UsageError(
            f"The adapter '{folder}' is for the model '{found.base}', not '{short_name(model)}'; "
            f"give --model {found.model}."
        )
    return replace(found, model=model)


def shipped_adapter(name: str) -> Path | None:
    """Return the folder of an adapter that comes with the package; None if none has this name."""
    package = Path(str(resources.files("alignatt4llm.weights")))
    return package / "artefacts" / SHIPPED[name] if name in SHIPPED else None


def identity_of(location: str, taught: Adapter | None) -> str:
    """Return the `identity` of a model with what it was taught; empty if it is not on this machine.

    Parameters
    ----------
    location
        The model's file or folder, the address of the engine that has it, or nothing.
    taught
        What it was taught.
    """
    if not location or not Path(location).exists():
        return ""
    return identity(location, *([taught.folder] if taught else []))


def identity_here(model: str, taught: Adapter | None) -> str:
    """Return what `identity_of` will say once a model is loaded; empty where that is not known."""
    return identity_of(place_of(taught.model if taught else model), taught)
