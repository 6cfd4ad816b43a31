"""The real models, prepared once in the user's cache."""

from pathlib import Path

import pytest
from hypothesis import settings

from alignatt4llm.weights.models import resolve_llm, resolve_recognizer

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def embedded_llm() -> Path:
    return Path(resolve_llm("embedded").location)


@pytest.fixture(scope="session")
def embedded_whisper() -> Path:
    return resolve_recognizer("embedded")
