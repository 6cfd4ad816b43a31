"""One cluster of two nodes for all tests; Ray's own warnings are not this project's."""

import subprocess
import sys
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = find_spec("ray") is not None
if HERE:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray
        import ray.serve

sys.path.insert(0, str(Path(__file__).parent.parent))
IGNORED = (
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
)
ALIGNATT = (sys.executable, "-m", "alignatt4llm.cli.main")
PLACES = 7
UP = (
    *("--model", "scripted", "--nodes", "2", "--sessions", str(PLACES)),
    *("--session-replicas", "2", "--session-cpus", "0.2"),
    *("--engine-replicas", "2", "--engine-cpus", "0.2"),
)


class Needing(pytest.Module):
    """A file of tests that needs what is not there."""

    def collect(self):
        pytest.skip("Ray is not installed; 'make test-cluster' brings it", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return None if HERE else Needing.from_parent(parent, path=module_path)


def pytest_collection_modifyitems(items):
    for item in items:
        if "cluster" in item.path.parts:
            for ignored in IGNORED:
                item.add_marker(pytest.mark.filterwarnings(ignored))


def alignatt(*words):
    """Run the command; return what it says."""
    done = subprocess.run(
        [*ALIGNATT, *words], capture_output=True, text=True, timeout=150, check=False
    )
    return done.returncode, done.stdout, done.stderr


@dataclass
class Up:
    """The application on a cluster of two nodes, as ``alignatt cluster up`` starts it."""

    port: int
    transcripts: Path


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    from serve_harness import free_port

    from alignatt4llm.cluster.known import known

    folder, port = tmp_path_factory.mktemp("journals"), free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        where = ("--port", str(port), "--transcripts", str(folder), "--detach")
        code, _, said = alignatt("cluster", "up", *UP, *where)
        assert not code, said
        ray.init(address=known().address, namespace="alignatt", log_to_driver=False)
        yield Up(port, folder)
        ray.shutdown()
        code, _, said = alignatt("cluster", "down")
        assert not code and known() is None, said
