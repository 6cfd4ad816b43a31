"""An application that runs on a cluster: started, looked at, ended."""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import ProxyLocation
from ray.serve.context import _get_global_client

from alignatt4llm.cluster.app import application
from alignatt4llm.cluster.places import NAMESPACE
from alignatt4llm.cluster.settings import ClusterSettings
from alignatt4llm.errors import AlignattError, UsageError

_SERVED = "/"
_PATIENCE = 120.0
"""Seconds for which replicas may wait for a node with room, which may be on its way."""
_PAUSE = 0.2
_UNPLACED = "to be scheduled"
"""What Serve says of them, half a minute after it has begun to try."""
_NAMED = re.compile(r"^alignatt4llm\.errors\.\w+: ")


@dataclass(frozen=True, slots=True)
class Door:
    """Where clients come in.

    Attributes
    ----------
    host, port
        Where the proxies listen, on the head or on every node.
    certificate, key
        PEM files for TLS, on every node that listens.
    everywhere
        Whether every node listens.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    certificate: str | None = None
    key: str | None = None
    everywhere: bool = False

    @property
    def where(self) -> str:
        """Its address, as a browser takes it."""
        scheme, host = "https" if self.certificate else "http", self.host
        named = "localhost" if host == "127.0.0.1" else f"[{host}]" if ":" in host else host
        return f"{scheme}://{named}:{self.port}"

    def words(self) -> str:
        """Return the options that ask for it."""
        named = {"--tls-cert": self.certificate, "--tls-key": self.key}
        words = ["--host", self.host, "--port", str(self.port)]
        words += [word for name, path in named.items() if path for word in (name, path)]
        return " ".join([*words, *(["--every-node"] if self.everywhere else [])])

    def options(self) -> dict[str, Any]:
        """Return them as Serve takes them."""
        return {
            "host": self.host,
            "port": self.port,
            "location": "EveryNode" if self.everywhere else "HeadOnly",
            "ssl_certfile": self.certificate,
            "ssl_keyfile": self.key,
        }


@dataclass(frozen=True, slots=True)
class Status:
    """What a cluster does.

    Attributes
    ----------
    application
        ``RUNNING``, or how Serve calls another state.
    deployments
        Replicas of each deployment, by their state.
    places, taken
        How many there are, and are taken.
    replicas
        Sessions and places of each session replica.
    message
        What is wrong, as far as Serve says.
    """

    application: str
    deployments: dict[str, dict[str, int]] = field(default_factory=dict)
    places: int = 0
    taken: int = 0
    replicas: dict[str, dict[str, int]] = field(default_factory=dict)
    message: str = ""

    def record(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield it as a table."""
        yield f"{'application':24}{self.application.lower()}"
        for name, states in self.deployments.items():
            shown = ", ".join(f"{count} {state.lower()}" for state, count in states.items())
            yield f"{name + ' replicas':24}{shown or 'none'}"
        yield f"{'places':24}{self.taken} of {self.places} taken"
        for name, each in self.replicas.items():
            yield f"  {name:22}{each['sessions']} sessions, {each['places']} places"
        if self.message:
            yield self.message


def door_there() -> Door | None:
    """Return where Serve listens on the cluster; None if it does not run there."""
    client = _get_global_client(raise_if_no_controller_running=False)
    if client is None:
        return None
    known = client.http_config
    everywhere = known.location == ProxyLocation.EveryNode
    return Door(known.host, known.port, known.ssl_certfile, known.ssl_keyfile, everywhere)


def check_door(asked: Door, there: Door) -> None:
    """Raise UsageError if clients cannot come in as they are asked to, since Serve listens."""
    if asked != there:
        raise UsageError(
            f"Serve listens at {there.where} on that cluster already, and stays there until "
            f"'serve shutdown'; give {there.words()}."
        )


def deploy(settings: ClusterSettings, door: Door, name: str) -> float:
    """Start the application; once every replica is there, return when it was deployed, for `end`.

    One that was not there before is ended if that fails.

    Raises
    ------
    AlignattError
        If it does not start, or no node has room for it for two minutes.
    """
    serve.start(http_options=door.options())
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # which sets it anew
    first = name not in serve.status().applications
    try:
        _run(settings, name)
    except BaseException:
        if first:
            end(name)
        raise
    return float(serve.status().applications[name].last_deployed_time_s)


def _run(settings: ClusterSettings, name: str) -> None:
    target = serve.RunTarget(application(settings), name, _SERVED)
    try:
        serve.run_many([target], wait_for_applications_running=False)
    except RuntimeError as problem:
        raise AlignattError(f"The application does not start: {_reason(name)}") from problem
    _wait(name)


def _wait(name: str) -> None:
    """Return once an application runs; AlignattError as for `deploy`."""
    placed = time.monotonic()
    while (found := serve.status().applications.get(name)) is None or found.status != "RUNNING":
        if found and found.status == "DEPLOY_FAILED":
            raise AlignattError(f"The application does not start: {_reason(name)}")
        said = [each.message for each in found.deployments.values()] if found else []
        if not any(_UNPLACED in each for each in said):
            placed = time.monotonic()
        if time.monotonic() - placed > _PATIENCE:
            raise AlignattError(
                f"No node has had room for some replica for {_PATIENCE:g} s; see what else runs "
                "there with 'ray status', ask for fewer or smaller ones, or add nodes."
            )
        time.sleep(_PAUSE)


def status(name: str) -> Status:
    """Return what an application does; NOT_STARTED if there is none."""
    found = serve.status().applications.get(name)
    if found is None:
        return Status("NOT_STARTED")
    try:
        counter = ray.get_actor(name, namespace=NAMESPACE)
        shown: dict[str, Any] = ray.get(counter.shown.remote(), timeout=5)
    except (ValueError, RayError):
        shown = {}
    deployments = {
        deployment: {str(state): count for state, count in each.replica_states.items()}
        for deployment, each in found.deployments.items()
    }
    return Status(found.status.name, deployments, **shown, message=found.message.strip())


def end(name: str, deployed: float | None = None) -> bool:
    """End an application; say whether there was one.

    Parameters
    ----------
    name
        Of the application.
    deployed
        When it was deployed; one that somebody has replaced since goes on.
    """
    found = serve.status().applications.get(name)
    if found and deployed not in (None, found.last_deployed_time_s):
        return False
    if found:
        serve.delete(name)
    with suppress(ValueError):
        ray.kill(ray.get_actor(name, namespace=NAMESPACE))
    return found is not None


def _reason(name: str) -> str:
    """Return the last line that Serve says of what went wrong."""
    found = serve.status().applications.get(name)
    said = [found.message] if found else []
    said += [each.message for each in found.deployments.values()] if found else []
    lines = [line.strip() for each in said for line in each.splitlines() if line.strip()]
    return _NAMED.sub("", lines[-1]) if lines else "see the logs of its replicas"
