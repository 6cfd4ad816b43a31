"""What a cluster may be asked for, and what is said of what it may not."""

import itertools
import pickle
import socket
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import yaml
from ray._private.accelerators import NvidiaGPUAcceleratorManager
from ray._private.resource_and_label_spec import ResourceAndLabelSpec
from ray.serve.config import HTTPOptions

from alignatt4llm.cli import cluster
from alignatt4llm.cli.main import main
from alignatt4llm.cluster import local, rayed, running
from alignatt4llm.cluster.app import NAME, application, build
from alignatt4llm.cluster.running import Status
from alignatt4llm.cluster.settings import NAMES, ClusterSettings, span
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.settings.system import System

TOKEN = "a-token-that-is-long-enough-0123"
DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize(
    ("spelled", "found"), [("1", (1, 1)), (3, (3, 3)), ("2:10", (2, 10)), ("4:4", (4, 4))]
)
def test_numbers_of_replicas(spelled, found):
    assert span(spelled) == found


@pytest.mark.parametrize("spelled", ["", "0", "-1", "two", "3:2", "0:4", "1:2:3", "1.5", ":", "2:"])
def test_what_is_no_number_of_replicas(spelled):
    with pytest.raises(UsageError, match=r"is no number of replicas; write 2, or 2:10"):
        span(spelled)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"modle": "scripted"}, "There is no argument 'modle'. There are: "),
        ({"preset": "huge"}, "There is no preset 'huge'. There are: "),
        ({"engine": "abacus"}, "There is no engine 'abacus'. There are: "),
        ({"model": "auto"}, "Name a model: 'auto' may be another one on every machine."),
        ({"preset": "auto", "model": "auto"}, "Name a model: "),
        ({"places": 0}, "'places' is 0; it must be above 0"),
        ({"hours": -1}, "'hours' is -1; it must be above 0"),
        ({"engine_gpus": -0.5}, "'engine_gpus' is -0.5; it must be 0 or more"),
        ({"session_cpus": float("nan")}, "'session_cpus' is nan; it must be 0 or more"),
        ({"engine_gpus": 1.5}, "'engine_gpus' is 1.5; it must be a share of one, or whole."),
        ({"session_replicas": "many"}, "'many' is no number of replicas"),
        ({"places": "many"}, "An argument is of the wrong kind"),
        ({"heads": "/nowhere.json"}, "/nowhere.json"),
        ({"origins": ["nonsense"]}, "nonsense"),
        (
            {"origins": 5},
            "An argument is of the wrong kind: 'origins' is 5; it must be a list of texts.",
        ),
        ({"origins": "https://a.example"}, "'origins' is 'https://a.example'; it must be a list"),
        ({"origins": [5]}, "'origins' is [5]; it must be a list of texts."),
        ({"to": [5]}, "'to' is [5]; it must be a text or a list of texts."),
        ({"to": "xx"}, "xx"),
        ({"source": "xx", "to": "de"}, "xx"),
        ({"source": "en", "to": "en"}, "English"),
        ({"policy": "guess"}, "guess"),
        ({"policy": "wait-k:many"}, "'wait-k:many': many is not a number."),
        ({"policy": "sentence:3"}, "'sentence:3': sentence takes no number."),
        ({"policy": 3}, "'policy' is 3; it must be a text."),
        ({"prompt": "essay"}, "There is no prompt 'essay'; choose "),
        ({"prompt": None}, "'prompt' is None; it must be a text."),
        ({"finality": "soon"}, "'finality' is 'soon'; it must be one of agreement, attention."),
        ({"recognizer_engine": "abacus"}, "it must be one of transformers, vllm."),
        ({"head_count": "four"}, "'head_count' is 'four'; it must be a whole number."),
        ({"head_count": -1}, "'head_count' is -1; it must be 0 or more."),
        ({"calibration": "no"}, "'calibration' is 'no'; it must be true or false."),
        ({"gpu_layers": 1.5}, "'gpu_layers' is 1.5; it must be a whole number or null."),
        ({"streams": 1.5}, "'streams' is 1.5; it must be a whole number."),
        ({"streams": True}, "'streams' is True; it must be a whole number."),
        ({"engine_cpus": "2"}, "'engine_cpus' is '2'; it must be a number."),
        ({"engine_replicas": [1, 4]}, "it must be a number, or bounds such as 2:10."),
        ({"recognizer": 7}, "'recognizer' is 7; it must be a text."),
        ({"model": ["scripted"]}, "'model' is ['scripted']; it must be a text."),
        ({"transcripts": "ftp://host/0"}, "Transcripts cannot be kept at 'ftp://"),
        ({"transcripts": 5}, "'transcripts' is 5; it must be a path or a text."),
        ({"transcripts": "transcripts"}, "'transcripts' is 'transcripts'; write the"),
        ({"heads": "heads.json"}, "'heads' is 'heads.json'; write the whole path"),
        ({"adapter": "mine"}, "'adapter' is 'mine'; write the whole path"),
        ({"adapter": "/nowhere"}, "/nowhere"),
        ({"audio_heads": "./a.json"}, "'audio_heads' is './a.json'; write the whole path"),
        ({"model": "./mine"}, "'model' is './mine'; write the whole path"),
        ({"recognizer": "../mine"}, "'recognizer' is '../mine'; write the whole path"),
    ],
)
def test_arguments_that_cannot_be(arguments, said, monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    with pytest.raises(AlignattError) as refused:
        ClusterSettings.of({"model": "scripted", **arguments})
    assert said in str(refused.value)


@pytest.mark.parametrize("kept", [None, "", "  "])
@pytest.mark.parametrize("given", [{}, {"without_token": False}, {"without_token": "no"}])
def test_nobody_serves_without_a_token_unasked(kept, given, monkeypatch):
    monkeypatch.delenv("ALIGNATT_TOKEN", raising=False)
    if kept is not None:
        monkeypatch.setenv("ALIGNATT_TOKEN", kept)
    with pytest.raises(UsageError, match=r"^There is no token; set ALIGNATT_TOKEN in the env"):
        build({"model": "scripted", **given})
    assert build({"model": "scripted", "without_token": True})


def test_a_token_is_handed_to_session_replicas(monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    assert deployments(build({"model": "scripted"}))["sessions"].init_args[1] == TOKEN


@pytest.mark.parametrize("name", ["model", "recognizer", "transcripts", "audio_heads"])
def test_the_home_folder_may_be_written_short(name, monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    found = ClusterSettings.of({"model": "scripted", name: "~/mine"})
    place = found.transcripts if name == "transcripts" else getattr(found.system, name)
    assert str(place) == str(Path("~/mine").expanduser())


def test_arguments_become_settings(monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    found = ClusterSettings.of(
        {"model": "scripted", "engine_replicas": "1:4", "places": 30, "source": "fr", "to": "de"}
    )
    assert found.system.model == "scripted" and found.system.recognizer == "scripted"
    assert found.engine_replicas == (1, 4) and found.defaults.targets == ("de",)
    assert found.cpus == 2 * 0.5 + 1.0 and found.gpus == 0
    assert pickle.loads(pickle.dumps(found)) == found


def deployments(app):
    from ray.serve._private.build_app import build_app

    built = build_app(app, name="alignatt")
    return {each.name: each for each in built.deployments}


def test_replicas_are_scaled_by_sessions_within_bounds():
    settings = ClusterSettings(
        System("scripted"), places=40, session_replicas=(2, 8), engine_replicas=(1, 1)
    )
    found = deployments(application(settings))
    scaling = found["sessions"]._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas) == (2, 8)
    assert scaling.target_ongoing_requests == 5
    assert found["engine"]._deployment_config.autoscaling_config is None


def test_nobody_waits_in_front_of_a_session_replica_unseen():
    found = deployments(application(ClusterSettings(System("scripted"), places=64)))
    assert found["sessions"]._deployment_config.max_ongoing_requests > 100 * 64


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("serve-*.yaml")), ids=lambda path: path.name)
def test_config_files_are_for_this_application(path, monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    from ray.serve.schema import ServeDeploySchema

    _check(ServeDeploySchema(**yaml.safe_load(path.read_text())))


def test_the_manifest_of_kuberay_is_for_this_application(monkeypatch):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    from ray.serve.schema import ServeDeploySchema

    [service] = [
        each
        for each in yaml.safe_load_all((DEPLOY / "rayservice.yaml").read_text())
        if each["kind"] == "RayService"
    ]
    _check(ServeDeploySchema(**yaml.safe_load(service["spec"]["serveConfigV2"])))
    pods = [service["spec"]["rayClusterConfig"]["headGroupSpec"]]
    pods += service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    for pod in pods:
        [container] = pod["template"]["spec"]["containers"]
        assert "ALIGNATT_TOKEN" in {each["name"] for each in container["env"]}


def _check(schema):
    [app] = schema.applications
    assert app.import_path == f"{build.__module__}:{build.__name__}"
    assert set(app.args) <= set(NAMES)
    found = deployments(build({**app.args, "model": "scripted"}))
    assert {each.name for each in app.deployments} <= set(found)
    assert schema.http_options.request_timeout_s is None


def test_another_version_of_ray_is_named(monkeypatch, capsys):
    monkeypatch.setattr(rayed, "installed", lambda package: "2.31.0")
    assert main(["cluster", "status"]) == 1
    assert "A cluster needs Ray 2.60, and here is 2.31.0; " in capsys.readouterr().err


@pytest.fixture
def nowhere():
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return f"127.0.0.1:{port}"


@pytest.mark.parametrize("command", [["up", "--model", "scripted"], ["status"], ["down"]])
def test_no_cluster_at_an_address(command, nowhere, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    action, *more = command
    assert main(["cluster", action, "--address", nowhere, *more, *free_port_of(action)]) == 1
    assert f"No cluster answers at {nowhere}; start one with 'ray start" in capsys.readouterr().err


def free_port_of(action):
    return ["--port", "0"] if action == "up" else []


@pytest.mark.parametrize(
    "address", ["head", "ray://head:10001", "head:", ":6379", "http://head:80", "head:six", "auto"]
)
def test_what_is_no_address(address, capsys):
    assert main(["cluster", "status", "--address", address]) == 2
    assert f"'{address}' is no address of a cluster; write host:port." in capsys.readouterr().err


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR\r\n"])
def test_what_answers_is_no_cluster(answer, capsys, monkeypatch):
    """It never answers, hangs up, or is a web server, or Redis."""
    monkeypatch.setattr(rayed, "_PATIENCE", 0.3)

    def serve():
        line, _ = other.accept()
        with line:
            line.recv(100)
            line.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as other:
        if answer is not None:
            threading.Thread(target=serve).start()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert main(["cluster", "status", "--address", address]) == 1
    assert f"What answers at {address} is no Ray cluster; " in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "down"])
def test_no_cluster_is_up_here(command, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["cluster", command]) == 2
    assert "No cluster is up on this machine; start one with" in capsys.readouterr().err


@pytest.mark.parametrize("kept", ["", "nonsense", "{}", '{"pid": 1, "port": 2}', "[]"])
def test_what_was_written_down_of_a_cluster_may_be_anything(kept, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "alignatt4llm").mkdir()
    (tmp_path / "alignatt4llm" / "cluster.json").write_text(kept)
    assert main(["cluster", "status"]) == 2
    assert "No cluster is up on this machine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--nodes", "0"], "--nodes is 0; a cluster has 1 or more."),
        (["--session-replicas", "x"], "'x' is no number of replicas"),
        (["--sessions", "0"], "'places' is 0"),
        (["--host", "0.0.0.0"], "set ALIGNATT_TOKEN"),
        (["--tls-cert", "nowhere.pem"], "TLS needs both files"),
        (["--transcripts", "ftp://host/0"], "ftp://"),
        (["--to", "de", "it", "--glossary", "{terms}"], "A glossary is for one target language"),
        (["--glossary", "{terms}"], "A glossary is for one target language"),
    ],
)
def test_what_up_refuses(options, said, monkeypatch, tmp_path, capsys):
    (terms := tmp_path / "terms.txt").write_text("head = Kopf\n")
    options = [option.format(terms=terms) for option in options]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("ALIGNATT_TOKEN", raising=False)
    assert main(["cluster", "up", "--model", "scripted", "--port", "0", *options]) == 2
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert main(["cluster", "up", "--model", "scripted", "--port", port]) == 2
    assert f"Port {port} of '127.0.0.1' cannot be had" in capsys.readouterr().err


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


@pytest.mark.parametrize(
    ("addresses", "transcripts", "said"),
    [
        (["10.0.0.1"], None, ""),
        (["10.0.0.1", "10.0.0.1"], None, ""),
        (["10.0.0.1", "10.0.0.2"], "redis://host:6379/0", ""),
        (["10.0.0.1", "10.0.0.2"], "/shared", ""),
        (["10.0.0.1", "10.0.0.2"], None, "The cluster has 2 machines; name transcripts that all"),
        (["a", "b", "a", "c"], None, "The cluster has 3 machines; name transcripts that all"),
    ],
)
def test_sessions_on_several_machines_need_a_common_place(
    addresses, transcripts, said, monkeypatch
):
    monkeypatch.setenv("ALIGNATT_TOKEN", TOKEN)
    nodes = [{"Alive": True, "NodeManagerAddress": each} for each in addresses]
    gone = {"Alive": False, "NodeManagerAddress": "gone"}
    monkeypatch.setattr(ray, "nodes", lambda: [*nodes, gone])
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    named = {"transcripts": transcripts} if transcripts else {}
    if not said:
        assert build({"model": "scripted", **named})
        return
    with pytest.raises(UsageError) as refused:
        build({"model": "scripted", **named})
    assert str(refused.value).startswith(said)


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


@pytest.mark.parametrize("word", ["--detach", "--detac", "--det", "--de"])
def test_what_returns_leaves_one_process_that_stays(word, monkeypatch, tmp_path, capsys):
    """The process that is started takes the same words, and starts no other."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    words = ["cluster", "up", "--model", "scripted", "--port", "0", word]
    monkeypatch.setattr(sys, "argv", ["alignatt", *words])
    started = []

    def start(command, env, **options):
        started.append((command[3:], env))
        return subprocess.Popen([sys.executable, "-c", "print('Serving on ')"], **options)

    monkeypatch.setattr(cluster, "subprocess", SimpleNamespace(Popen=start, DEVNULL=-3))
    monkeypatch.setattr("alignatt4llm.cluster.local.local_cluster", lambda *_: nullcontext("here"))
    monkeypatch.setattr(cluster, "_serve", lambda args, *_: int(args.detach))
    assert main(words) == 0
    [(again, env)] = started
    monkeypatch.setattr(cluster.os, "environ", env)
    assert main(again) == 0 and len(started) == 1


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


@pytest.mark.parametrize("taken", [True, False])
def test_our_own_proxy_may_hold_the_port_that_an_upgrade_names(taken, monkeypatch, tmp_path):
    """On the head it does, and a port that is free there is none where Serve listens."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    deployed = []
    monkeypatch.setattr(rayed, "connected", lambda address: nullcontext())
    monkeypatch.setattr(rayed, "check_room", lambda settings: None)
    monkeypatch.setattr(ray, "nodes", list)
    monkeypatch.setattr(running, "deploy", lambda settings, door, name: deployed.append(door))
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        there = running.Door(port=proxy.getsockname()[1])
        monkeypatch.setattr(running, "door_there", lambda: there)
        port = there.port if taken else 1
        up = ["cluster", "up", "--model", "scripted", "--address", "head:6379", "--detach"]
        assert main([*up, "--port", str(port)]) == (0 if taken else 2)
    assert deployed == [there] * taken


@pytest.mark.parametrize("gpus", [0, 1, 4])
@pytest.mark.parametrize("nodes", [1, 3])
def test_the_first_node_here_has_the_gpus_of_the_machine(gpus, nodes, monkeypatch):
    """What Ray itself makes of the options; nothing is started."""
    found = []

    class Nodes:
        address = "here:1"

        def __init__(self, initialize_head, head_node_args):
            self.add_node(**head_node_args)

        def add_node(self, num_cpus, num_gpus=0, **_):
            spec = ResourceAndLabelSpec(num_cpus=num_cpus, num_gpus=num_gpus)
            found.append(spec.resolve(is_head=not found).num_gpus)

        def shutdown(self):
            pass

    nvidia, there = NvidiaGPUAcceleratorManager, staticmethod(lambda: gpus)
    monkeypatch.setattr(nvidia, "get_current_node_num_accelerators", there)
    monkeypatch.setattr(nvidia, "get_current_node_accelerator_type", staticmethod(lambda: "H200"))
    monkeypatch.setattr(local, "Cluster", Nodes)
    with local.local_cluster(nodes, 2):
        pass
    assert found == [gpus] + [0] * (nodes - 1)
