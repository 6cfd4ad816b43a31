"""Sessions go to replicas on every node, not only to those beside the proxy."""

from types import SimpleNamespace

import pytest
from ray.serve._private.request_router import PowerOfTwoChoicesRequestRouter
from ray.serve._private.request_router.request_router import LocalityScope

from alignatt4llm.cluster.app import SESSIONS, application
from alignatt4llm.cluster.evenly import Evenly
from alignatt4llm.cluster.settings import ClusterSettings
from alignatt4llm.settings.system import System

HERE, THERE = "here", "there"


def candidates(kind, tried=False):
    router = object.__new__(kind)
    vars(router).update(
        _replica_id_set={HERE, THERE},
        _prefer_local_node_routing=True,
        _prefer_local_az_routing=True,
        _colocated_replica_ids={
            LocalityScope.NODE: {HERE},
            LocalityScope.AVAILABILITY_ZONE: {HERE},
        },
    )
    context = SimpleNamespace(tried_same_node=tried, tried_same_az=tried, should_backoff=False)
    return router.apply_locality_routing(SimpleNamespace(routing_context=context))


@pytest.mark.parametrize("tried", [False, True])
def test_replicas_of_all_nodes_are_candidates(tried):
    assert candidates(Evenly, tried) == {HERE, THERE}


def test_serve_itself_would_stay_on_the_node():
    assert candidates(PowerOfTwoChoicesRequestRouter) == {HERE}


def test_the_application_takes_it():
    system = System("scripted", "scripted", "scripted")
    deployment = application(ClusterSettings(system))._bound_deployment
    assert deployment.name == SESSIONS
    config = deployment._deployment_config.request_router_config
    assert config.get_request_router_class() is Evenly
