"""The real models, prepared once in the user's cache."""

from pathlib import Path

import pytest

from alignatt4llm.models import resolve_llm, resolve_recognizer


@pytest.fixture(scope="session")
def embedded_llm() -> Path:
    return Path(resolve_llm("embedded").location)


@pytest.fixture(scope="session")
def embedded_whisper() -> Path:
    return resolve_recognizer("embedded")
