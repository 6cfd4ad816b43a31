"""Which session replica a connection goes to."""

from typing import Any

from ray.serve._private.request_router import PowerOfTwoChoicesRequestRouter


class Evenly(PowerOfTwoChoicesRequestRouter):  # type: ignore[misc]
    """Takes the less busy of two replicas, wherever they are.

    Serve itself prefers those on the proxy's own node until they are full, and a session replica
    never is: all sessions would go to one node.
    """

    def apply_locality_routing(self, pending_request: Any = None) -> Any:
        """Leave out nobody."""
        return self._replica_id_set
