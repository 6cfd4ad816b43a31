"""Which model a GGUF file is, whatever its quantisation: head sets belong to the model."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from alignatt4llm.weights.gguf import Header

_PART = re.compile(r"-\d{5}-of-\d{5}$")
_QUANTISATION = re.compile(
    r"(?:(?:^|[-._ ])(?:gguf|ud|i1|imat(?:rix)?|qat|i?q\d\w*|tq\d\w*|i2_s|bf16|fp?(?:8|16|32)"
    r"|(?:mx|nv)?fp4\w*|int\d))+$",
    re.IGNORECASE,
)
_NAMELESS = re.compile(r"|model|ggml-model|sha256-[0-9a-f]+", re.IGNORECASE)
"""Names of files that tell nothing of the model."""


def stem(name: str) -> str:
    """Return the name of the model in a file's name: without folder, part and quantisation."""
    file = PurePath(name).name
    bare = file[: -len(".gguf")] if file.lower().endswith(".gguf") else file
    return _QUANTISATION.sub("", _PART.sub("", bare))


def names_in_header(header: Header) -> list[str]:
    """Return the names by which a file itself knows its model, the likeliest first."""
    keys = ("basename", "size_label", "finetune")
    pieces = (header.text(f"general.{key}") for key in keys)
    found = (header.text("general.name"), "-".join(filter(None, pieces)))
    return [name for name in found if name]


def model_name(file: str, said: Iterable[str], known: Iterable[str]) -> str:
    """Return the name of the model in a GGUF file, as head sets know it.

    It is the first that is known of: the file's name, the same without what publishers write before
    it (``google_gemma-3-270m``), other names. If none is known, it is the file's own name, or the
    first of the others where a file's name tells nothing.

    Parameters
    ----------
    file
        Name of the file.
    said
        Other names, the likeliest first: those in its header, or that of where it is.
    known
        Names for which there are head sets or cards; capitals are no difference.
    """
    own, others = stem(file), [_slug(name) for name in said]
    spelt = {_folded(name): name for name in known}
    for candidate in (*_endings(own), *others):
        if match := spelt.get(_folded(candidate)):
            return match
    return next(iter(filter(None, others)), own) if _NAMELESS.fullmatch(own) else own


def _endings(name: str) -> Iterator[str]:
    """Return a name, and what is left of it after each of its dots and underscores."""
    yield name
    for sign in re.finditer(r"[._]", name):
        yield name[sign.end() :]


def _slug(name: str) -> str:
    return _QUANTISATION.sub("", re.sub(r"[\s:]+", "-", name.rpartition("/")[2].strip()))


def _folded(name: str) -> str:
    return re.sub(r"[\s_]+", "-", name.casefold())
