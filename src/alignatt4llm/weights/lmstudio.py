"""Models that LM Studio has on this machine; LM Studio itself is not needed."""

from contextlib import suppress
from pathlib import Path

from alignatt4llm.errors import UsageError
from alignatt4llm.files.reading import read_json
from alignatt4llm.weights.gguf_files import SUFFIX, gguf_files, only_model

PREFIX = "lmstudio:"


def lmstudio_models() -> dict[str, Path]:
    """Return the GGUF files that LM Studio has, by name: ``PUBLISHER/REPOSITORY/FILE``."""
    return {
        "/".join(file.parts[-3:]): file
        for root in _folders()
        for folder in sorted(root.glob("*/*"))
        for file in gguf_files(folder).values()
    }


def lmstudio_file(name: str) -> Path:
    """Return the GGUF file of a model that LM Studio has.

    Parameters
    ----------
    name
        ``PUBLISHER/REPOSITORY/FILE``, or as much of it as tells the model from the others, such as
        the repository or the file; capitals are no difference.

    Raises
    ------
    UsageError
        If LM Studio has no such model, or several; the message lists them.
    """
    models = lmstudio_models()
    found = {each: path for each, path in models.items() if _fits(each, name)}
    if not found:
        there = ", ".join(models) or f"nothing in {_folders()[0]}"
        raise UsageError(f"LM Studio has no model '{name}' on this machine. It has: {there}.")
    return only_model(found, f"As '{name}' LM Studio has")


def _fits(model: str, asked: str) -> bool:
    whole, part = f"/{model}/".casefold(), f"/{asked.strip('/')}".casefold()
    return f"{part}/" in whole or f"{part}{SUFFIX}/" in whole


def _folders() -> list[Path]:
    """Return the folders of models: of LM Studio's own home, then of older versions."""
    own = Path.home()
    homes = [own / ".lmstudio", own / ".cache/lm-studio"]
    with suppress(OSError, ValueError):
        homes.insert(0, Path((own / ".lmstudio-home-pointer").read_text("utf-8").strip()))
    return list(dict.fromkeys(_models_of(home) for home in homes))


def _models_of(home: Path) -> Path:
    """Return the folder of models that LM Studio's settings name, or the usual one."""
    with suppress(UsageError, KeyError, TypeError):
        return Path(read_json(home / "settings.json")["downloadsFolder"]).expanduser()
    return home / "models"
