"""Which engine replica a stream is drafted by: Ray Serve's own ring, outside a cluster."""

from collections.abc import Sequence
from typing import Any

from ray.serve._private.common import DeploymentID, ReplicaID
from ray.serve.experimental import consistent_hash_router as serve

from alignatt4llm.cluster.app import ENGINE


class Ring:
    """Places streams as `ConsistentHashRouter` does.

    Parameters
    ----------
    replicas
        Their names.
    """

    def __init__(self, replicas: Sequence[str]) -> None:
        deployment = DeploymentID(ENGINE)
        router: Any = object.__new__(serve.ConsistentHashRouter)
        vars(router).update(
            _deployment_id=deployment,
            _num_virtual_nodes=serve.DEFAULT_NUM_VIRTUAL_NODES,
            _num_fallback_replicas=serve.DEFAULT_NUM_FALLBACK_REPLICAS,
        )
        router._rebuild_ring(frozenset(ReplicaID(name, deployment) for name in replicas))
        self._router = router

    def ranked(self, stream: str) -> list[str]:
        """Return the replica of a stream, and those that are asked where it is full."""
        return [replica.unique_id for replica in self._router._lookup_ranked_replicas(stream)]
