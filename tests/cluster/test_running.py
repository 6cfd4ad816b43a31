"""An application and what it runs on: room, its door, its deployment, its end, its status."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest
import ray
from ray.serve.config import HTTPOptions

from alignatt4llm.cluster import rayed, running
from alignatt4llm.cluster.app import NAME
from alignatt4llm.cluster.running import Status
from alignatt4llm.cluster.settings import ClusterSettings
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.settings.system import System


def test_status_is_shown_as_a_table():
    replicas = {"ab12": {"sessions": 1, "places": 2}}
    shown = Status("RUNNING", {"engine": {"RUNNING": 2}, "sessions": {}}, 8, 2, replicas)
    assert [line.split() for line in shown.lines()] == [
        ["application", "running"],
        ["engine", "replicas", "2", "running"],
        ["sessions", "replicas", "none"],
        ["places", "2", "of", "8", "taken"],
        ["ab12", "1", "sessions,", "2", "places"],
    ]


NODES = [{"CPU": 2.0, "memory": 1e9}, {"CPU": 2.0, "GPU": 1.0}, {"CPU": 64.0, "GPU": 8.0}]
"""Of a cluster; the last is gone."""


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, ""),
        ({"engine_cpus": 2, "session_cpus": 1}, ""),
        ({"engine_cpus": 0, "engine_gpus": 0.25, "engine_replicas": (4, 4)}, ""),
        ({"session_cpus": 0.1, "session_replicas": (30, 40)}, ""),
        ({"session_cpus": 0, "engine_cpus": 0}, ""),
        ({"engine_replicas": (1, 100)}, ""),
        ({"engine_cpus": 4}, "The replicas need 5 of CPU and the cluster has 4; "),
        ({"engine_gpus": 2}, "The replicas need 2 of GPU and the cluster has 1; "),
        ({"engine_cpus": 3, "session_cpus": 0.1}, "The nodes have room for 0 engine replicas of 3"),
        (
            {"engine_cpus": 1.1, "session_cpus": 0.1, "engine_replicas": (3, 3)},
            "The nodes have room for 2 engine replicas of 1.1 of CPU, and 3 are asked for; ",
        ),
        (
            {"session_cpus": 1.2, "engine_cpus": 0.1, "session_replicas": (3, 3)},
            "The nodes have room for 2 session replicas of 1.2 of CPU, and 3 are asked for; ",
        ),
        ({"engine_gpus": 0.4, "engine_cpus": 0, "engine_replicas": (2, 2)}, ""),
        (
            {"engine_gpus": 0.3, "engine_cpus": 0.9, "engine_replicas": (3, 3)},
            "The nodes have room for 2 engine replicas of 0.9 of CPU and 0.3 of GPU, and 3 ",
        ),
    ],
)
def test_too_few_resources(asked, said, monkeypatch):
    nodes = [{"Alive": each is not NODES[2], "Resources": each} for each in NODES]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    settings = ClusterSettings(System("scripted"), **asked)
    if not said:
        rayed.check_room(settings)
        return
    with pytest.raises(AlignattError) as refused:
        rayed.check_room(settings)
    assert str(refused.value).startswith(said) and " nodes." in str(refused.value)


class Serving:
    """Ray Serve, which says one thing after another of its application, and the last for ever."""

    RunTarget = ray.serve.RunTarget

    def __init__(self, before, *said):
        self.there, self.said, self.deleted = before, list(said), []
        self.deployed = 1.0

    def start(self, http_options):
        self.door = http_options

    def run_many(self, targets, wait_for_applications_running):
        self.there, self.deployed = True, self.deployed + 1

    def status(self):
        if not self.there:
            return SimpleNamespace(applications={})
        status, message = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        deployment = SimpleNamespace(message=message)
        app = SimpleNamespace(
            status=status,
            message="",
            deployments={"engine": deployment},
            last_deployed_time_s=self.deployed,
        )
        return SimpleNamespace(applications={NAME: app})

    def delete(self, name):
        self.there = False
        self.deleted.append(name)


UNPLACED = ("DEPLOYING", "1 replicas that have taken more than 30s to be scheduled. This may be")
LOADING = ("DEPLOYING", "1 replicas that have taken more than 30s to initialize.")
FAILED = ("DEPLOY_FAILED", "Traceback\nalignatt4llm.errors.UsageError: No such model.")


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ([LOADING] * 99 + [("RUNNING", "")], ""),
        ([UNPLACED] * 5 + [LOADING] * 99 + [("RUNNING", "")], ""),
        ([UNPLACED], "No node has had room for some replica for 20 s; "),
        ([LOADING, UNPLACED], "No node has had room for some replica for 20 s; "),
        ([LOADING, FAILED], "The application does not start: No such model."),
    ],
)
def test_a_deployment_that_cannot_be_is_said_and_a_first_one_ended(
    before, said, problem, monkeypatch
):
    serving, now = Serving(before, *said), itertools.count()
    clock = SimpleNamespace(monotonic=lambda: next(now), sleep=lambda seconds: None)
    monkeypatch.setattr(running, "serve", serving)
    monkeypatch.setattr(running, "time", clock)
    monkeypatch.setattr(running, "_PATIENCE", 20)
    monkeypatch.setattr(running.ray, "get_actor", lambda *_, **__: _nobody())
    settings = ClusterSettings(System("scripted"))
    if not problem:
        running.deploy(settings, running.Door(), NAME)
    else:
        with pytest.raises(AlignattError) as refused:
            running.deploy(settings, running.Door(), NAME)
        assert str(refused.value).startswith(problem)
    assert serving.deleted == ([NAME] if problem and not before else [])


@pytest.mark.parametrize("others", [0, 1, 2])
@pytest.mark.parametrize("before", [False, True])
def test_who_stops_ends_the_own_application_and_no_later_one(before, others, monkeypatch):
    serving, killed = Serving(before, ("RUNNING", "")), []
    monkeypatch.setattr(running, "serve", serving)
    monkeypatch.setattr(running.ray, "get_actor", lambda *_, **__: "the counter")
    monkeypatch.setattr(running.ray, "kill", killed.append)
    settings = ClusterSettings(System("scripted"))
    deployed = running.deploy(settings, running.Door(), NAME)
    for _ in range(others):
        running.deploy(settings, running.Door(), NAME)
    assert running.end(NAME, deployed) is not bool(others)
    assert serving.there is bool(others) and len(killed) == (not others)
    assert running.end(NAME) is bool(others) and not serving.there


def _nobody():
    raise ValueError("no such actor")


THERE = running.Door("0.0.0.0", 9000, "/c.pem", "/k.pem", True)


@pytest.mark.parametrize(
    "change",
    [
        {"host": "127.0.0.1"},
        {"host": "::"},
        {"port": 8765},
        {"port": 0},
        {"certificate": None, "key": None},
        {"key": "/other.pem"},
        {"everywhere": False},
    ],
    ids=str,
)
def test_a_door_that_is_not_there_is_refused(change):
    running.check_door(THERE, THERE)
    with pytest.raises(UsageError) as refused:
        running.check_door(replace(THERE, **change), THERE)
    assert str(refused.value) == (
        "Serve listens at https://0.0.0.0:9000 on that cluster already, and stays there until "
        "'serve shutdown'; give --host 0.0.0.0 --port 9000 --tls-cert /c.pem --tls-key /k.pem "
        "--every-node."
    )


def test_the_door_of_a_cluster_is_the_one_that_serve_was_started_with(monkeypatch):
    for door in (running.Door(), THERE):
        client = SimpleNamespace(http_config=HTTPOptions(**door.options()))
        monkeypatch.setattr(running, "_get_global_client", lambda client=client, **_: client)
        assert running.door_there() == door
    monkeypatch.setattr(running, "_get_global_client", lambda **_: None)
    assert running.door_there() is None
