"""Calls of engine replicas from the threads of sessions; a replica that dies is not the end."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from alignatt4llm.cluster.drafts import Described, Models
from alignatt4llm.errors import AlignattError

PATIENCE = 100.0
"""Seconds in which some replica has to answer; a session waits for a step a little longer."""
_FIRST, _LONGEST = 0.05, 2.0
"""Seconds until a call is made again, at first and at most."""


class Engines:
    """All engine replicas.

    Parameters
    ----------
    handle
        Of their deployment.
    patience
        Seconds in which some replica has to answer.
    wait
        Waits for so many seconds.
    """

    def __init__(
        self,
        handle: DeploymentHandle,
        patience: float = PATIENCE,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._handle = handle
        self._patience = patience
        self._wait = wait

    def ask(self, method: str, *arguments: object, stream: str = "") -> Any:
        """Call a method of a replica, of the one that keeps the stream if it is there.

        Calls change nothing, so that one that was lost with its replica is made again.

        Raises
        ------
        AlignattError
            What the replica answers instead, or if none answers.
        """
        until, pause = time.monotonic() + self._patience, _FIRST
        while True:
            try:
                return _answer(self._call(method, arguments, stream, until - time.monotonic()))
            except RayTaskError:
                raise  # the engine itself has failed, and would again
            except (RayError, RayServeException, TimeoutError) as problem:
                if time.monotonic() + pause > until:
                    raise AlignattError(
                        f"No engine replica has answered for {self._patience:g} s; see "
                        "'alignatt cluster status' and the replicas' logs."
                    ) from problem
            self._wait(pause)
            pause = min(2 * pause, _LONGEST)

    def describe(self, models: Models) -> Described:
        """Return the description by a replica that was asked to load these models.

        While an application is replaced, those of the one before answer too, and go soon.

        Raises
        ------
        AlignattError
            If none answers with them.
        """
        until = time.monotonic() + self._patience
        while (found := self.ask("describe")).models != models:
            if time.monotonic() + _LONGEST > until:
                raise AlignattError(
                    "Only engine replicas with other models answer; deploy the application again."
                )
            self._wait(_LONGEST)
        described: Described = found
        return described

    def tell(self, method: str, *arguments: object, stream: str = "") -> None:
        """Call a method of the replica that keeps a stream; whether it is heard does not matter."""
        with suppress(RayError, RayServeException):
            self._remote(method, stream, arguments)

    def _call(self, method: str, arguments: tuple[object, ...], stream: str, left: float) -> Any:
        return self._remote(method, stream, arguments).result(timeout_s=max(0.0, left))

    def _remote(self, method: str, stream: str, arguments: tuple[object, ...]) -> Any:
        handle = self._handle.options(method_name=method, session_id=stream)
        return handle.remote(*arguments)


def _answer(answer: Any) -> Any:
    """Return an answer; raise it if it is a problem."""
    if isinstance(answer, AlignattError):
        raise answer
    return answer
