"""A cluster on this machine, for laptops and tests: every node is some processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.cluster_utils import Cluster

_STORE = 100 * 2**20
"""Bytes of a node's object store; what travels between replicas is small."""


@contextmanager
def local_cluster(nodes: int, cpus: int) -> Iterator[str]:
    """Run a cluster until the block ends, and yield its address.

    Its first node has the GPUs that Ray finds on this machine, the others none.

    Parameters
    ----------
    nodes
        How many nodes it has.
    cpus
        What each of them says it has.
    """
    node: dict[str, Any] = {"num_cpus": cpus, "object_store_memory": _STORE}
    first = {**node, "num_gpus": None, "include_dashboard": False}  # None: Ray looks
    cluster = Cluster(initialize_head=True, head_node_args=first)
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**node)
        yield str(cluster.address)
    finally:
        cluster.shutdown()
