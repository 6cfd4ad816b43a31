"""GGUF models as files: whole or in parts, alone in a folder or among others."""

import re
from pathlib import Path

from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.weights.gguf import Header, read_header

SUFFIX = ".gguf"
_PART = re.compile(r"(?P<stem>.*)-(?P<part>\d{5})-of-(?P<parts>\d{5})\.gguf", re.IGNORECASE)


def part_names(name: str) -> list[str]:
    """Return the names of all the files of a model, the first one first.

    Parameters
    ----------
    name
        Name of a file; any one of them, if the model is split.
    """
    split = _PART.fullmatch(name)
    if not split:
        return [name]
    end = name[split.end("parts") :]
    return [
        f"{split['stem']}-{part:05}-of-{split['parts']}{end}"
        for part in range(1, int(split["parts"]) + 1)
    ]


def gguf_files(folder: Path) -> dict[str, Path]:
    """Return the GGUF files of a folder by name, the first of each model that is split."""
    names = (
        part_names(path.name)[0]
        for path in sorted(folder.glob("*"))
        if path.suffix.lower() == SUFFIX and not path.name.startswith(".")
    )
    return {name: folder / name for name in names}


def only_model(files: dict[str, Path], where: str) -> Path:
    """Return the one language model among GGUF files.

    Parameters
    ----------
    files
        The first file of each, by what to call it.
    where
        Where they are, as the beginning of a sentence about them.

    Raises
    ------
    UsageError
        If there is none, or several; the message lists them.
    """
    alone = len(files) == 1
    models = {name: path for name, path in files.items() if alone or _may_be_model(path)}
    if not models:
        raise UsageError(f"{where} no GGUF model.")
    if len(models) > 1:
        raise UsageError(f"{where} several GGUF models; give one of them: {', '.join(models)}.")
    return next(iter(models.values()))


def read_model(path: Path) -> Header:
    """Read the header of a language model and make sure that all its files are there and whole.

    Parameters
    ----------
    path
        Its file; any one of them, if it is split.

    Returns
    -------
        The header of the first file.

    Raises
    ------
    AlignattError
        If a file is missing, cut off or no GGUF, or if it is no language model with a tokeniser.
    """
    given = _read_whole(path)
    names = part_names(path.name) if given.parts > 1 else [path.name]
    if given.parts != len(names):
        raise AlignattError(
            f"'{path}' is one of {given.parts} files of a model; give them the names they had, "
            f"NAME-00001-of-{given.parts:05}{SUFFIX} and so on."
        )
    first, *others = [_read_whole(path.with_name(name)) for name in names]
    _check_model(first, sum(header.tensors for header in (first, *others)))
    return first


def _read_whole(path: Path) -> Header:
    if not path.exists():
        others = len(part_names(path.name)) - 1
        beside = f" beside the other {others}" if others else ""
        raise AlignattError(f"There is no file '{path}'{beside}; download or copy it.")
    header, size = read_header(path), path.stat().st_size
    if size < header.size:
        raise AlignattError(
            f"'{path}' is cut off: {size:,} of {header.size:,} bytes are there; download or copy "
            "it anew."
        )
    return header


def _check_model(header: Header, tensors: int) -> None:
    path = header.path
    if header.kind != "model":
        raise AlignattError(
            f"'{path}' holds no language model but what is added to one ({header.kind}); give the "
            "file of the model itself."
        )
    if not header.architecture or not tensors:
        raise AlignattError(f"'{path}' holds no weights of a model; give the file that does.")
    if not header.has_tokenizer:
        raise AlignattError(
            f"'{path}' holds no tokeniser; convert the model to GGUF anew, from a folder that has "
            "its tokeniser."
        )


def _may_be_model(path: Path) -> bool:
    """Whether a file is a language model; one that cannot be read is not ruled out."""
    try:
        return read_header(path).kind == "model"
    except AlignattError:
        return True
