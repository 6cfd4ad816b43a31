"""Ray itself: is it there, which version, does a cluster answer, is it large enough."""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from alignatt4llm.cluster.room import ROUNDING, fitting
from alignatt4llm.cluster.settings import ClusterSettings
from alignatt4llm.errors import AlignattError, UsageError, extra, install, with_extra
from alignatt4llm.machine.packages import installed

RAY = "2.60"
"""The version of Ray that this package is written for, and tested with."""
NAMESPACE = "alignatt"
_PATIENCE = 10.0
"""Seconds in which a cluster has to answer a connection."""
_SETTINGS = b"\x04"
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + _SETTINGS + bytes(5)
"""How HTTP/2 begins; the answer is a frame of settings too."""


def check_ray() -> None:
    """Raise AlignattError if Ray is not installed, or another version of it."""
    with extra("cluster", "A cluster"):
        import ray.serve  # noqa: F401
    found = installed("ray") or "unknown"
    if found.rpartition(".")[0] != RAY:
        raise AlignattError(
            f"A cluster needs Ray {RAY}, and here is {found}; {install(with_extra('cluster'))}."
        )


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Be a client of a cluster.

    Parameters
    ----------
    address
        Of its head, as ``host:6379``.

    Raises
    ------
    AlignattError
        If none answers there, or one of another version.
    """
    import ray

    check_address(address, "leave out --address for one on this machine")
    try:
        ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise AlignattError(f"The cluster at {address} does not take us: {reason}") from problem
    try:
        yield
    finally:
        ray.shutdown()


def check_address(address: str, otherwise: str) -> None:
    """Raise AlignattError at once where Ray would wait for minutes.

    Parameters
    ----------
    address
        As for `connected`.
    otherwise
        What can be done where no cluster is.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in address:
        raise UsageError(f"'{address}' is no address of a cluster; write host:port.")
    try:
        speaks = _speaks_grpc(host.strip("[]"), int(port))
    except (OSError, OverflowError) as problem:
        raise AlignattError(
            f"No cluster answers at {address}; start one with 'ray start --head', or {otherwise}."
        ) from problem
    if not speaks:
        raise AlignattError(
            f"What answers at {address} is no Ray cluster; give the port of its head, which is "
            "6379 unless 'ray start' was given another."
        )


def _speaks_grpc(host: str, port: int) -> bool:
    """Whether what listens there answers as the head of a cluster does, in HTTP/2."""
    with socket.create_connection((host, port), timeout=_PATIENCE) as line:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return True  # it is not greeted in the clear
        line.sendall(_GREETING)
        with suppress(TimeoutError, ConnectionError):
            return line.makefile("rb").read(4)[3:] == _SETTINGS
        return False


def check_reach(transcripts: object) -> None:
    """Raise UsageError if no place is named for transcripts and there are several machines."""
    import ray

    machines = {each["NodeManagerAddress"] for each in ray.nodes() if each["Alive"]}
    if not transcripts and len(machines) > 1:
        raise UsageError(
            f"The cluster has {len(machines)} machines; name transcripts that all of them reach: "
            "redis://host:port/0, or a folder of a shared file system."
        )


def check_room(settings: ClusterSettings) -> None:
    """Raise AlignattError if the cluster can never hold the least replicas."""
    import ray

    nodes = [each["Resources"] for each in ray.nodes() if each["Alive"]]
    for name, needed, option in (("CPU", settings.cpus, "cpus"), ("GPU", settings.gpus, "gpus")):
        if needed > (has := sum(each.get(name, 0) for each in nodes)) + ROUNDING:
            raise AlignattError(
                f"The replicas need {needed:g} of {name} and the cluster has {has:g}; ask for "
                f"fewer, or for less with --session-cpus or --engine-{option}, or add nodes."
            )
    sessions, engines = settings.session_replicas[0], settings.engine_replicas[0]
    _check_nodes("session", sessions, {"CPU": settings.session_cpus}, nodes)
    needs = {"CPU": settings.engine_cpus, "GPU": settings.engine_gpus}
    _check_nodes("engine", engines, needs, nodes)


def _check_nodes(
    kind: str, count: int, needs: Mapping[str, float], nodes: Sequence[Mapping[str, float]]
) -> None:
    """Raise AlignattError if the nodes have no room for so many replicas, each on one node."""
    if count > (room := sum(fitting(node, needs) for node in nodes)):
        each = " and ".join(f"{need:g} of {name}" for name, need in needs.items() if need)
        raise AlignattError(
            f"The nodes have room for {room:g} {kind} replicas of {each}, and {count} are asked "
            "for; a replica is on one node, so ask for fewer or smaller ones, or add larger nodes."
        )
