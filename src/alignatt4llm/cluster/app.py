"""The Serve application; a config file names it as ``alignatt4llm.cluster.app:build``."""

from collections.abc import Mapping
from typing import Any

import ray
from ray import serve
from ray.serve import Application
from ray.serve.config import RequestRouterConfig
from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter

from alignatt4llm.cluster.engine import Engine
from alignatt4llm.cluster.evenly import Evenly
from alignatt4llm.cluster.rayed import check_reach
from alignatt4llm.cluster.sessions import Sessions
from alignatt4llm.cluster.settings import ClusterSettings, Span, token

NAME = "alignatt"
"""The application's name, unless it is given another."""

SESSIONS, ENGINE = "sessions", "engine"
"""Its deployments."""

_ROOM = 10_000
"""Requests of a session replica at once: who may speak is decided by places, with an answer."""
_GRACE = 5.0
"""Seconds that a replica goes on when it is stopped; its clients resume elsewhere after it."""


def build(arguments: Mapping[str, Any]) -> Application:
    """Return the application that some arguments ask for; see `ClusterSettings.of`."""
    settings = ClusterSettings.of(arguments)
    if ray.is_initialized():
        check_reach(arguments.get("transcripts"))
    return application(settings)


def application(settings: ClusterSettings) -> Application:
    """Return the application with these settings."""
    engine = serve.deployment(
        Engine,
        name=ENGINE,
        max_ongoing_requests=2 * settings.streams,
        request_router_config=RequestRouterConfig(request_router_class=ConsistentHashRouter),
        ray_actor_options={"num_cpus": settings.engine_cpus, "num_gpus": settings.engine_gpus},
        health_check_period_s=5,
        **_replicas(settings.engine_replicas, settings.streams / 2),
    )
    sessions = serve.deployment(
        serve.ingress()(Sessions),
        name=SESSIONS,
        max_ongoing_requests=_ROOM,
        request_router_config=RequestRouterConfig(request_router_class=Evenly),
        graceful_shutdown_timeout_s=_GRACE,
        ray_actor_options={"num_cpus": settings.session_cpus},
        health_check_period_s=5,
        **_replicas(settings.session_replicas, settings.places / settings.session_replicas[1]),
    )
    models = engine.bind(*settings.models, settings.streams)
    return sessions.bind(settings, token(), models)


def _replicas(span: Span, each: float) -> dict[str, Any]:
    """Say how many replicas there are; between bounds, so many that each has its share of work."""
    least, most = span
    if least == most:
        return {"num_replicas": least}
    scaling = {"min_replicas": least, "max_replicas": most, "target_ongoing_requests": max(1, each)}
    return {"autoscaling_config": scaling}
