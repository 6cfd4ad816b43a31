"""The real models, prepared once in the user's cache."""

import re
from pathlib import Path

import pytest
from hypothesis import settings

from alignatt4llm.machine.live import Speed
from alignatt4llm.settings import speeds
from alignatt4llm.weights.models import resolve_llm, resolve_recognizer

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


WITHOUT_MODELS = "not models"
ABSENT = re.compile(r"No module named '(torch|transformers|gguf|huggingface_hub)'")
"""What runs models, as an import says that it is not installed."""


def pytest_collection_modifyitems(items):
    for item in items:
        if {"embedded_llm", "embedded_whisper"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.models)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Where tests of models are left out, so are files that cannot be imported without them."""
    report = yield
    if report.failed and WITHOUT_MODELS in collector.config.option.markexpr:
        found = ABSENT.search(report.longreprtext)
        if found:
            report.outcome = "skipped"
            report.longrepr = (str(collector.path), None, f"needs {found[1]}")
    return report


@pytest.fixture(scope="session")
def embedded_llm() -> Path:
    return Path(resolve_llm("embedded").location)


@pytest.fixture(scope="session")
def embedded_whisper() -> Path:
    return resolve_recognizer("embedded")


@pytest.fixture(scope="session", autouse=True)
def kept(tmp_path_factory):
    """Head sets that are calibrated on first use are kept for the tests only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALIGNATT_HEADS", str(tmp_path_factory.mktemp("kept-heads")))
        yield


@pytest.fixture(scope="session", autouse=True)
def measured():
    """What ``auto`` takes: the small model in llama.cpp, however fast this computer is just now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speeds, "measure", _as_on_a_slow_laptop)
        patch.setattr(speeds, "known_speed", lambda model, engine: None)
        yield


def _as_on_a_slow_laptop(model, engine, tell=None):
    return Speed(0.2, 0.02) if engine == "llama.cpp" else Speed(0.3, 0.05)


@pytest.fixture
def worked(monkeypatch):
    """The names of the recordings that were worked on."""
    from alignatt4llm.archive.work import Worker

    names, work = [], Worker.__call__

    def noted(worker, task):
        names.append(task.item.name)
        return work(worker, task)

    monkeypatch.setattr(Worker, "__call__", noted)
    return names
