"""``alignatt cluster``: the server on Ray, over as many machines as there are."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignatt4llm.cli import system
from alignatt4llm.cli.report import tell
from alignatt4llm.errors import AlignattError, UsageError
from alignatt4llm.settings.fitting import fitted
from alignatt4llm.text.languages import Pair, language, targets

if TYPE_CHECKING:
    from alignatt4llm.cluster.running import Door
    from alignatt4llm.cluster.settings import ClusterSettings
    from alignatt4llm.serve.server import Settings
    from alignatt4llm.settings.system import System

_SERVING = "Serving on "
_ATTACHED = "ALIGNATT_CLUSTER_ATTACHED"
"""Environment variable of the process that `up` has started to return without it."""

EXAMPLES = """\
examples:
  alignatt cluster up                                a cluster on this machine
  alignatt cluster up --model scripted --nodes 2     no models: for building clients
  alignatt cluster up --address head:6379 --engine-replicas 2:8 --engine-gpus 1 --sessions 64
  alignatt cluster status --json
  alignatt cluster down

Beyond this machine a token is needed, from the environment variable ALIGNATT_TOKEN.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command's options."""
    parser = subparsers.add_parser(
        "cluster",
        help="serve with Ray, over one machine or many",
        description="Serve with Ray: sessions and models in replicas of their own.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    up = actions.add_parser("up", help="start the application, and a cluster if there is none")
    _add_address(up)
    _add_size(up)
    _add_door(up)
    system.add_options(up)
    up.set_defaults(run=run, action=_up)
    shown = actions.add_parser("status", help="say which replicas, places and sessions there are")
    _add_address(shown)
    shown.add_argument("--json", action="store_true", help="as JSON")
    shown.set_defaults(run=run, action=_status)
    down = actions.add_parser("down", help="end the application, and the cluster that up started")
    _add_address(down)
    down.set_defaults(run=run, action=_down)


def run(args: argparse.Namespace) -> int:
    """Do what is asked for."""
    from alignatt4llm.cluster.rayed import check_ray

    check_ray()
    code: int = args.action(args)
    return code


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address", metavar="HOST:PORT",
        help="of the head of a Ray cluster; by default the one of 'alignatt cluster up' here",
    )  # fmt: skip


def _add_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--nodes", type=int, default=1, metavar="N",
        help="of the cluster that is started on this machine (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--sessions", type=int, default=8,
        help="at once in the whole cluster; each language of one counts (%(default)s)",
    )  # fmt: skip
    for kind, least in (("session", "2"), ("engine", "1")):
        parser.add_argument(
            f"--{kind}-replicas", default=least, metavar="N",
            help="how many, or their bounds, as 2:10 (%(default)s)",
        )  # fmt: skip
    parser.add_argument("--session-cpus", type=float, default=0.5, metavar="N", help="for each")
    parser.add_argument("--engine-cpus", type=float, default=1.0, metavar="N", help="for each")
    parser.add_argument("--engine-gpus", type=float, default=0.0, metavar="N", help="for each")
    parser.add_argument(
        "--streams", type=int, default=8, metavar="N",
        help="streams for which an engine replica keeps what it has read (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--transcripts", metavar="PLACE",
        help="a folder that every node reaches, or redis://host:port/0 (a folder of yours)",
    )  # fmt: skip


def _add_door(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="port (%(default)s)")
    parser.add_argument("--every-node", action="store_true", help="listen on every node")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")
    parser.add_argument(
        "--origin", action="append", default=[], metavar="URL",
        help="another site whose pages may use the servers; repeatable",
    )  # fmt: skip
    parser.add_argument("--from", dest="source", default="en", metavar="LANG", help="see serve")
    parser.add_argument("--to", nargs="+", default=[], metavar="LANG", help="see serve")
    parser.add_argument("--detach", action="store_true", help="return once it serves")


def _up(args: argparse.Namespace) -> int:
    from alignatt4llm.cluster.known import known, noted
    from alignatt4llm.cluster.local import local_cluster

    if args.nodes < 1:
        raise UsageError(f"--nodes is {args.nodes}; a cluster has 1 or more.")
    settings, door = _settings(args), _door(args)
    if args.address:
        return _serve(args, settings, door, args.address)
    _listen(args)
    if running := known():
        raise UsageError(
            f"A cluster of this machine is up, at port {running.port}; end it with "
            "'alignatt cluster down', or name another with --address."
        )
    if args.detach and not os.environ.get(_ATTACHED):
        return _in_background(args.port)
    args.detach = False
    cpus = os.cpu_count() or 1
    with local_cluster(args.nodes, cpus) as address, noted(address, args.port):
        return _serve(args, settings, door, address)


def _serve(
    args: argparse.Namespace, settings: "ClusterSettings", door: "Door", address: str
) -> int:
    """Run the application until interrupted, or leave it to a cluster that stays."""
    from alignatt4llm.cluster.app import NAME
    from alignatt4llm.cluster.rayed import check_reach, check_room, connected
    from alignatt4llm.cluster.running import check_door, deploy, door_there, end

    with connected(address):
        if there := door_there():
            check_door(door, there)
        else:
            _listen(args)
        check_reach(args.transcripts)
        check_room(settings)
        deployed = deploy(settings, door, NAME)
        if args.detach:
            tell(f"Serving on {door.where} ('alignatt cluster down --address {address}' ends it).")
            return 0
        tell(f"Serving on {door.where} with the cluster at {address} (Ctrl-C stops).")
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray has its own
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            tell("Stopping; what clients have not been told they can resume.")
        finally:
            end(NAME, deployed)
    return 0


def _in_background(port: int) -> int:
    """Run this command again in a process that stays, and return once it serves."""
    from alignatt4llm.cluster.known import file

    log = file().with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "alignatt4llm.cli.main", *sys.argv[1:]],
            env={**os.environ, _ATTACHED: "1"},
            stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    while _SERVING not in (said := log.read_text("utf-8")):
        if process.poll() is not None:
            lines = said.strip().splitlines()
            raise AlignattError(lines[-1].partition("error: ")[2] if lines else f"See {log}.")
        time.sleep(0.2)
    tell(f"Serving on port {port} ('alignatt cluster down' ends it; it logs to {log}).")
    return 0


def _settings(args: argparse.Namespace) -> "ClusterSettings":
    """Return what is asked for; UsageError if it cannot be."""
    from alignatt4llm.cluster.settings import ClusterSettings, own_transcripts, span
    from alignatt4llm.serve.journals.stores import is_address, store_at
    from alignatt4llm.serve.messages import Defaults

    source = language(args.source, tell)
    into = targets(args.to, source, tell) if args.to else ()
    place = args.transcripts or own_transcripts()
    pairs = [Pair(source, target) for target in into]
    asked = system.served(args, pairs)
    chosen = fitted(asked, pairs=list(map(str, pairs)), tell=tell)  # once, for all replicas
    settings = ClusterSettings(
        _found_anywhere(chosen),
        place if is_address(place) else Path(place).absolute(),
        places=args.sessions,
        session_replicas=span(args.session_replicas),
        engine_replicas=span(args.engine_replicas),
        streams=args.streams,
        session_cpus=args.session_cpus,
        engine_cpus=args.engine_cpus,
        engine_gpus=args.engine_gpus,
        origins=tuple(args.origin),
        defaults=Defaults(source.code, tuple(target.code for target in into)),
    )
    store_at(settings.transcripts, settings.limits.keep).check()
    return settings


def _found_anywhere(asked: "System") -> "System":
    """Name files so that replicas find them, whose working folder is another."""
    return replace(
        asked,
        model=str(_absolute(asked.model)),
        recognizer=str(_absolute(asked.recognizer)),
        adapter=asked.adapter and asked.adapter.absolute(),
        audio_heads=asked.audio_heads and asked.audio_heads.absolute(),
    )


def _absolute(place: str) -> Path | str:
    """Return the whole path of a file or folder; what is none stays as it is."""
    known = Path(place).expanduser()
    return known.absolute() if known.exists() or known.is_absolute() else place


def _door(args: argparse.Namespace) -> "Door":
    """Return where clients come in; UsageError if they may not there."""
    from alignatt4llm.cluster.running import Door

    _server(args)
    certificate, key = (path and str(path.absolute()) for path in (args.tls_cert, args.tls_key))
    return Door(args.host, args.port, certificate, key, args.every_node)


def _listen(args: argparse.Namespace) -> None:
    """Raise UsageError if the port cannot be had on this machine."""
    from alignatt4llm.serve.server import listen

    listen(_server(args)).close()


def _server(args: argparse.Namespace) -> "Settings":
    from alignatt4llm.cluster.settings import token
    from alignatt4llm.serve.server import Settings

    return Settings(
        Path(),
        host=args.host,
        port=args.port,
        token=token(),
        certificate=args.tls_cert,
        key=args.tls_key,
    )


def _address(args: argparse.Namespace) -> str:
    """Return the address that is meant; UsageError if there is none."""
    from alignatt4llm.cluster.known import known

    if args.address:
        return str(args.address)
    if found := known():
        return found.address
    raise UsageError(
        "No cluster is up on this machine; start one with 'alignatt cluster up', or name one "
        "with --address."
    )


def _status(args: argparse.Namespace) -> int:
    from alignatt4llm.cluster.app import NAME
    from alignatt4llm.cluster.rayed import connected
    from alignatt4llm.cluster.running import status

    with connected(_address(args)):
        found = status(NAME)
    print(json.dumps(found.record()) if args.json else "\n".join(found.lines()))
    return 0 if found.application == "RUNNING" else 1


def _down(args: argparse.Namespace) -> int:
    from alignatt4llm.cluster.app import NAME
    from alignatt4llm.cluster.known import known
    from alignatt4llm.cluster.rayed import connected
    from alignatt4llm.cluster.running import end

    address, here = _address(args), known()
    if here and here.address == address:
        here.stop()
        return 0
    with connected(address):
        if not end(NAME):
            raise UsageError(f"The cluster at {address} runs no '{NAME}'.")
    return 0
