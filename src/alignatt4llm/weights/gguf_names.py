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


def name_in_header(header: Header) -> str:
    """Return the name by which a file itself knows its model; empty if there is none."""
    pieces = (header.text(f"general.{key}") for key in ("basename", "size_label", "finetune"))
    return header.text("general.name") or "-".join(filter(None, pieces))


def model_name(file: str, inside: str, place: str, known: Iterable[str]) -> str:
    """Return the name of the model in a GGUF file, as head sets know it.

    It is the first that is known of: the file's name, the same without what publishers write before
    it (``google_gemma-3-270m``), the name inside, and that of the place if the file's own tells
    nothing. If none is known, it is the file's own name unless that tells nothing.

    Parameters
    ----------
    file
        Name of the file.
    inside
        The name in its header; may be empty.
    place
        The name of its folder or repository, or by which another program knows it.
    known
        Names for which there are head sets or cards; capitals are no difference.
    """
    own = stem(file)
    others = [_slug(inside), *([_slug(place)] if _NAMELESS.fullmatch(own) else [])]
    spelt = {_folded(name): name for name in known}
    for candidate in (*_endings(own), *others):
        if match := spelt.get(_folded(candidate)):
            return match
    return next(filter(None, others), own) if _NAMELESS.fullmatch(own) else own


def _endings(name: str) -> Iterator[str]:
    """Return a name, and what is left of it after each of its dots and underscores."""
    yield name
    for sign in re.finditer(r"[._]", name):
        yield name[sign.end() :]


def _slug(name: str) -> str:
    return _QUANTISATION.sub("", re.sub(r"[\s:]+", "-", name.rpartition("/")[2].strip()))


def _folded(name: str) -> str:
    return re.sub(r"[\s_]+", "-", name.casefold())
