"""Archives and evaluation over the actors of a cluster, and what dies on the way."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from archives import SCRIPTED, archive, done, results, subtitle

from alignatt4llm.errors import UsageError

TESTS = Path(__file__).parent.parent
NAMES = ["a.wav", "b c/a.wav", "b c/d.wav", "é/ü.wav", "e.wav", "f.wav"]
MEASURED = {"wall_s", "elapsed", "processing", "rtf", "peak_memory_mb"}


@pytest.fixture(scope="module")
def address():
    """The address of a cluster, to which no test's own process is connected."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 4, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    yield cluster.address
    cluster.shutdown()


def alignatt(*arguments, program=("-m", "alignatt4llm.cli.main")):
    command = [sys.executable, *map(str, program), *map(str, arguments), *SCRIPTED]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_actors_write_what_one_process_writes_and_failures_stop_nobody(tmp_path, address):
    archive(tmp_path / "talks", *NAMES)
    (tmp_path / "talks" / "broken.mp4").write_bytes(b"no media")
    arguments = [tmp_path / "talks", "--to", "de", "it", "--format", "srt", "txt", "--out"]
    spread, alone = tmp_path / "spread", tmp_path / "alone"
    ended = alignatt("subtitle", *arguments, spread, "--cluster", address, "--actors", "1:2")
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "cannot be read as audio or video" in (spread / "failed.txt").read_text()
    assert subtitle(*arguments, alone) == 1
    assert results(spread) == results(alone)
    assert len(results(spread)) == 4 * len(NAMES)


def test_a_run_that_is_killed_and_begun_again_makes_everything_once(tmp_path, address):
    archive(tmp_path / "talks", *NAMES)
    arguments = ["subtitle", tmp_path / "talks", "--to", "de", "--out", tmp_path / "out"]
    cluster = ["--cluster", address, "--actors", "2"]
    killed = (TESTS / "killed.py", "after a note", "2", tmp_path / "log")
    ended = alignatt(*arguments, *cluster, program=killed)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert len(results(tmp_path / "out")) == 2
    ended = alignatt(*arguments, *cluster)
    assert ended.returncode == 0, ended.stderr
    assert "2 of 6 recordings are done already." in ended.stderr
    noted = [line["name"] for line in done(tmp_path / "out")]
    assert sorted(noted) == sorted(name.removesuffix(".wav") for name in NAMES)
    assert len(results(tmp_path / "out")) == 6


DYING = """
import os, sys
from pathlib import Path
from alignatt4llm.archive.items import Item, Outcome, Task
from alignatt4llm.cluster.archive import Spread
from alignatt4llm.cluster.spread import Actors, connected

def load():
    def work(task):
        with Path(sys.argv[2]).open("a") as log:
            log.write(f"{task.item.name}\\n")
        if task.item.name == "poison":
            os.kill(os.getpid(), 9)
        if task.item.name == "once" and Path(sys.argv[2]).read_text().count("once") == 1:
            os.kill(os.getpid(), 9)
        return Outcome(task)
    return work

tasks = [Task(Item(name, name, None, ()), ()) for name in ("a", "poison", "b", "once", "c")]
actors = Actors(2, 2)
with connected(sys.argv[1], actors):
    for outcome in Spread(actors, load)(tasks):
        print(outcome.task.item.name, outcome.problem)
"""


def test_what_kills_its_process_twice_fails_and_the_rest_is_done(tmp_path, address):
    log = tmp_path / "log"
    command = [sys.executable, "-c", DYING.replace("sys.argv[2]", repr(str(log))), address]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    said = dict(line.split(" ", 1) for line in ended.stdout.splitlines())
    assert {name for name, problem in said.items() if not problem} == {"a", "b", "c", "once"}
    assert "were killed" in said["poison"]
    worked = log.read_text().split()
    assert {name: worked.count(name) for name in worked} == {
        "a": 1, "b": 1, "c": 1, "once": 2, "poison": 2
    }  # fmt: skip


FAILING = """
import sys
from alignatt4llm.cluster.spread import Actors, connected
from alignatt4llm.errors import AlignattError, UsageError

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")

def load():
    LOAD
    def work(asked):
        WORK
        return asked
    return work

actors = Actors(2, 2)
with connected(sys.argv[1], actors):
    try:
        print("came", sorted(actors.spread(load, range(3))))
    except AlignattError as error:
        print(type(error).__name__, error)
"""
RAISED = {
    "work": ("pass", "raise ValueError('odd thing')", "AlignattError .*ValueError: odd thing[.]"),
    "work, of its own kind": ("pass", "raise Odd(1, 2)", "AlignattError .*Odd: 1 and 2[.]"),
    "work, in a sentence": ("pass", "raise UsageError('Not so.')", "UsageError Not so[.]"),
    "what cannot travel": ("pass", "return lambda: 1", "AlignattError .*A process of the cluster"),
    "memory": ("pass", "raise MemoryError", "AlignattError .*not enough memory"),
    "load": ("raise ImportError('No module')", "pass", "AlignattError .*ImportError: No module[.]"),
    "load, two lines": ("raise OSError('a\\nb')", "pass", "AlignattError .*OSError: a b[.]"),
    "a death": ("pass", "import os; os._exit(1)", r"came \[\]"),
    "nothing": ("pass", "pass", r"came \[0, 1, 2\]"),
}


@pytest.mark.parametrize(("load", "work", "said"), RAISED.values(), ids=RAISED)
def test_whatever_is_raised_on_a_cluster_comes_back_as_a_sentence(address, load, work, said):
    script = FAILING.replace("LOAD", load).replace("WORK", work)
    ended = subprocess.run([sys.executable, "-c", script, address], capture_output=True, text=True,
                           timeout=600, check=False)  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert re.fullmatch(said + ".*\n", ended.stdout), "Ray says nothing of its own"


SMALL, LARGE = {"CPU": 2.0}, {"CPU": 16.0, "GPU": 1.0}
MACHINES = {
    "each alone": ([SMALL, SMALL], (2, 1, 0.0), None),
    "two on one": ([LARGE], (2, 8, 0.5), None),
    "thirds of a GPU": ([LARGE], (3, 1, 1 / 3), None),
    "cores of two machines": ([SMALL, SMALL], (1, 3, 0.0), "room for 0 actors that need 3 CPUs"),
    "one that fits, one that does not": ([SMALL, LARGE], (3, 6, 0.0), "room for 2 actors"),
    "cores here, the GPU there": (
        [{"CPU": 1.0, "GPU": 1.0}, {"CPU": 16.0}],
        (1, 2, 1.0),
        "2 CPUs and 1 GPUs on one machine",
    ),
    "halves of two GPUs": ([LARGE, LARGE], (3, 1, 0.6), "room for 2 actors"),
    "too few in all": ([SMALL], (3, 1, 0.0), "has 2 CPUs, and 3 actors need 3"),
    "a machine that is gone": ([SMALL, {}], (2, 1, 0.0), None),
}


@pytest.mark.parametrize(("machines", "asked", "sentence"), MACHINES.values(), ids=MACHINES)
def test_actors_must_fit_on_machines(monkeypatch, machines, asked, sentence):
    import ray

    from alignatt4llm.cluster.spread import Actors, _check_size, _waits

    nodes = [{"Alive": bool(machine), "Resources": machine} for machine in machines]
    total = {name: sum(machine.get(name, 0.0) for machine in machines) for name in ("CPU", "GPU")}
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(ray, "cluster_resources", lambda: total)
    if sentence:
        with pytest.raises(UsageError, match=sentence):
            _check_size("here:1", Actors(asked[0], asked[0], *asked[1:]))
        return
    _check_size("here:1", Actors(asked[0], asked[0], *asked[1:]))
    for free, waits in ((total, False), ({}, True), ({"CPU": 0.5, "GPU": 1.0}, True)):
        monkeypatch.setattr(ray, "available_resources", lambda free=free: free)
        assert _waits(Actors(1, 1, *asked[1:])) == waits


BUSY = """
import subprocess, sys, ray
ray.init(address=sys.argv[1], log_to_driver=False)

@ray.remote(num_cpus=4)
class Busy:
    def here(self):
        return True

busy = Busy.remote()
ray.get(busy.here.remote())
command = subprocess.Popen(sys.argv[2:], stderr=subprocess.PIPE, text=True)
for line in command.stderr:
    print(line, end="")
    if "waiting" in line:
        ray.kill(busy)
sys.exit(command.wait())
"""


def test_a_run_that_waits_for_room_says_so(tmp_path, address):
    archive(tmp_path, "a.wav")
    arguments = ["subtitle", tmp_path / "a.wav", "--to", "de", "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "alignatt4llm.cli.main", *map(str, arguments)]
    ended = subprocess.run(
        [sys.executable, "-c", BUSY, address, *command, "--cluster", address, *SCRIPTED],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "no room for the actors now; waiting" in ended.stdout
    assert list(results(tmp_path / "out")) == ["a.de.srt"]


def test_evaluation_writes_what_it_writes_without_a_cluster(tmp_path, address):
    data = archive(tmp_path / "data", *NAMES[::2])
    for path in list(data.rglob("*.wav")):
        told = [{"offset": 0, "duration": 2, "text": "Good morning everyone."}]
        path.rename(data / path.name).with_suffix(".json").write_text(json.dumps(told))
    arguments = ["evaluate", "run", "--data", data, "--pair", "en-de", "en-it", "--out"]
    spread, alone = tmp_path / "spread", tmp_path / "alone"
    ended = alignatt(*arguments, spread, "--cluster", address, "--actors", "2")
    assert ended.returncode == 0, ended.stderr
    assert alignatt(*arguments, alone).returncode == 0
    assert unmeasured(spread) == unmeasured(alone)
    assert len(unmeasured(spread)) == 2 * (4 + 3) - 2


def unmeasured(folder):
    """Return what a run wrote, by file, without what a clock measured."""
    found = {}
    for path in sorted(folder.rglob("*.*")):
        if path.is_file() and path.name != "simulstream.jsonl":
            lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
            told = [json.dumps(without(json.loads(line)), sort_keys=True) for line in lines]
            found[os.fspath(path.relative_to(folder))] = sorted(told)
    return found


def without(value):
    if isinstance(value, dict):
        return {key: without(each) for key, each in value.items() if key not in MEASURED}
    return value


REFUSED = {
    "nobody there": (["--cluster", "127.0.0.1:9"], "No cluster answers at 127.0.0.1:9"),
    "no address": (["--cluster", "nowhere"], "write host:port"),
    "no such host": (["--cluster", "no.such.host.invalid:1"], "No cluster answers at no.such"),
    "too many": (["--cluster", "HERE", "--actors", "99"], "has 4 CPUs, and 99 actors need 99"),
    "no GPU": (["--cluster", "HERE", "--actor-gpus", "1"], "has 0 GPUs, and 1 actors need 1"),
    "no number": (["--cluster", "HERE", "--actors", "two"], "--actors is 'two'"),
    "the wrong way round": (["--cluster", "HERE", "--actors", "3:2"], "--actors is '3:2'"),
    "no cores": (["--cluster", "HERE", "--actor-cpus", "0"], "--actor-cpus must be 1 or more"),
}


@pytest.mark.parametrize(("options", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_cluster_that_cannot_be_used_is_told_in_a_sentence(
    tmp_path, address, monkeypatch, capsys, options, sentence
):
    import ray

    if ray.is_initialized():
        pytest.skip("this process is connected to another cluster")
    archive(tmp_path, "a.wav")
    options = [address if option == "HERE" else option for option in options]
    assert subtitle(tmp_path / "a.wav", "--to", "de", "--out", tmp_path / "out", *options) in {1, 2}
    assert sentence in capsys.readouterr().err
    assert results(tmp_path / "out") == {}


def test_what_cannot_be_loaded_ends_the_run_in_a_sentence(tmp_path, address):
    archive(tmp_path, "a.wav")
    arguments = ["--to", "de", "--out", tmp_path / "out", "--cluster", address]
    ended = subprocess.run(
        [sys.executable, "-m", "alignatt4llm.cli.main", "subtitle", tmp_path / "a.wav", *arguments,
         "--engine", "scripted", "--model", "scripted", "--recognizer", tmp_path / "none"],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert ended.returncode in {1, 2}
    assert "none" in ended.stderr and "Traceback" not in ended.stderr


def test_nothing_to_do_needs_no_cluster(tmp_path):
    archive(tmp_path, "a.wav")
    arguments = [tmp_path / "a.wav", "--to", "de", "--out", tmp_path / "out"]
    assert subtitle(*arguments) == 0
    assert subtitle(*arguments, "--cluster", "127.0.0.1:9") == 0


def test_another_version_is_told_in_a_sentence(tmp_path, monkeypatch, capsys):
    import ray

    def other(**_):
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n")

    monkeypatch.setattr(ray, "init", other)
    archive(tmp_path, "a.wav")
    arguments = ["--to", "de", "--out", tmp_path / "out", "--cluster", "auto"]
    assert subtitle(tmp_path / "a.wav", *arguments) == 1
    assert "Version mismatch: The cluster was started with: Ray: 2.9.0" in capsys.readouterr().err
