"""What goes wrong is counted, logged with its cause, and told in the shape of OpenAI's errors."""

import logging
import secrets
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from alignatt4llm.serve.errors import (
    EngineFailed,
    NoSuchMethod,
    ServeError,
    Unexpected,
    UnknownFile,
)
from alignatt4llm.serve.metrics import Metrics
from alignatt4llm.text.printable import one_line

log = logging.getLogger(__name__)


class Failures:
    """Takes every failure of one server; tokens and what people say are in no line of the log.

    Parameters
    ----------
    metrics
        Counts them.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def note(self, asked: HTTPConnection, problem: ServeError, number: str = "") -> None:
        """Count and log what ends a request or a conversation."""
        self._metrics.drops.labels(problem.code).inc()
        self.log(asked, problem, number)

    def log(self, asked: HTTPConnection, problem: ServeError, number: str = "") -> None:
        """Log a problem on one line; with all its causes where they are the server's."""
        cause = problem.__cause__
        said = f"{problem} ({cause})" if cause and str(cause) not in str(problem) else str(problem)
        traced = problem if cause and isinstance(problem, EngineFailed) else None
        line = one_line(f"{_named(asked)}: {problem.code}: {said}{number}")
        log.warning("%s", line, exc_info=traced)

    def told(self, request: Request, problem: Exception) -> Response:
        """Answer a request that is refused or fails, and note it."""
        assert isinstance(problem, ServeError)
        number = secrets.token_hex(8)
        self.note(request, problem, f" [{number}]")
        headers = {"x-request-id": number}
        if problem.status == 503:
            headers["retry-after"] = "10"
        return JSONResponse({"error": openai_error(problem)}, problem.status, headers=headers)

    def missing(self, request: Request, problem: Exception) -> Response:
        """Answer a request for a path or with a method that is not there."""
        assert isinstance(problem, HTTPException)
        allowed = (problem.headers or {}).get("Allow", "")
        if request.method == "OPTIONS" and allowed:
            return Response(status_code=204, headers={"allow": allowed})
        answer = self.told(request, _missing(request, allowed))
        answer.headers.update(problem.headers or {})
        return answer

    def unexpected(self, request: Request, problem: Exception) -> Response:
        """Answer a request in which the server itself fails; its traceback is logged besides."""
        kind = f"{type(problem).__name__}: {problem}"
        log.error("%s: internal_error: %s", _named(request), one_line(kind))
        answer = Unexpected("The server failed here; its log says why.")
        return JSONResponse({"error": openai_error(answer)}, answer.status)


def openai_error(problem: ServeError) -> dict[str, Any]:
    """Return an error in OpenAI's shape."""
    kind = "server_error" if problem.status >= 500 else "invalid_request_error"
    return {"message": str(problem), "type": kind, "param": problem.param, "code": problem.code}


def _named(asked: HTTPConnection) -> str:
    method = asked.scope.get("method", "WebSocket")
    return one_line(f"{method} {asked.scope['path'][:200]}")


def _missing(request: Request, allowed: str) -> ServeError:
    path = one_line(request.url.path[:200])
    if allowed:
        return NoSuchMethod(f"'{path}' does not take {request.method}; use {allowed}.")
    return UnknownFile(
        f"There is nothing at '{path}'; OpenAI's clients need a base URL that ends in /v1."
    )
