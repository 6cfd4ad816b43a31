"""The command: clusters that are not there, ports, processes and GPUs of this machine."""

import socket
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from ray._private.accelerators import NvidiaGPUAcceleratorManager
from ray._private.resource_and_label_spec import ResourceAndLabelSpec

from alignatt4llm.cli import cluster
from alignatt4llm.cli.main import main
from alignatt4llm.cluster import local, rayed, running

SAMPLES = Path(__file__).parents[2] / "samples"


def status(address, folder):
    return ["cluster", "status", "--address", address]


def subtitle(address, folder):
    """An archive on a cluster, whose recordings are never reached."""
    sound = SAMPLES / "fleurs-en-000.ogg"
    return ["subtitle", sound, "--to", "de", "--model", "scripted", "--out", folder / "out",
            "--cluster", address]  # fmt: skip


BOTH = pytest.mark.parametrize("command", [status, subtitle])


@BOTH
def test_another_version_of_ray_is_named(monkeypatch, capsys, command, tmp_path):
    monkeypatch.setattr(rayed, "installed", lambda package: "2.31.0")
    assert main([*map(str, command("127.0.0.1:9", tmp_path))]) == 1
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


@BOTH
@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR\r\n"])
def test_what_answers_is_no_cluster(answer, command, capsys, monkeypatch, tmp_path):
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
        assert main([*map(str, command(address, tmp_path))]) == 1
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
