"""Posting over HTTP, and what becomes of it, said without any part of an address that is secret."""

import logging
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from alignatt4llm.errors import UsageError, extra
from alignatt4llm.outputs.sinks.base import Again, Refused
from alignatt4llm.text.printable import one_line

CONNECT, ANSWER = 5.0, 5.0
"""Seconds within which a connection must stand, and an answer must come."""
_SLOWEST = 8
"""How many times as long is waited at most for an answer from who did not answer in time."""
_READ = 1024
"""Bytes of an answer that are read at most."""
_RETRIED = (408, 425, 429)
"""What says, below 500, that the same may be taken later."""


def check_url(name: str, address: str) -> None:
    """See that one can post to an address.

    Raises
    ------
    AlignattError
        If not; names the option, but not the address. Also if httpx is not installed.
    """
    _client_library()
    with suppress(ValueError):
        parts = urlsplit(address)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        if whole and address.isprintable() and " " not in address:
            return
    raise UsageError(f"{name}: give the whole address, such as https://example.org/captions?id=1.")


def shown(address: str) -> str:
    """Return as much of an address as may be read by anybody: neither path, query nor user."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"


def with_query(address: str, **values: object) -> str:
    """Return an address with parameters set; what else it has stays as it is, byte for byte."""
    parts = urlsplit(address)
    kept = [
        part for part in parts.query.split("&") if part and part.partition("=")[0] not in values
    ]
    query = "&".join([*kept, *(f"{name}={value}" for name, value in values.items())])
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def parameter(address: str, name: str) -> str | None:
    """Return a parameter of an address as it stands there."""
    for part in urlsplit(address).query.split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return None


class Poster:
    """Posts to one host, over a connection that stays open.

    Parameters
    ----------
    patient
        Whether what is refused may be taken later, so that it is worth trying again.

    Raises
    ------
    AlignattError
        If httpx is not installed.
    """

    def __init__(self, patient: bool) -> None:
        self._httpx, self._patient = _client_library(), patient
        self._answer = ANSWER

    def post(self, address: str, content: str, headers: dict[str, str]) -> str:
        """Post text as UTF-8.

        Returns
        -------
        str
            The beginning of the answer.

        Raises
        ------
        Again, Refused
            If it was not taken, or that is not known.
        """
        return self._ask("POST", address, content=content.encode(), headers=headers)

    def get(self, address: str) -> str:
        """Return the beginning of an answer; raises as `post` does."""
        return self._ask("GET", address)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if "_client" in vars(self):
            self._client.close()

    @cached_property
    def _client(self) -> Any:
        return self._httpx.Client()

    def _ask(self, method: str, address: str, **what: Any) -> str:
        httpx = self._httpx
        timeout = httpx.Timeout(self._answer, connect=CONNECT)
        try:
            with self._client.stream(method, address, timeout=timeout, **what) as answer:
                self._check(answer)
                return self._beginning(answer)
        except httpx.TimeoutException as problem:
            self._answer = min(2 * self._answer, _SLOWEST * ANSWER)
            raise Again("no answer in time") from problem
        except httpx.ConnectError as problem:
            raise Again(f"no connection: {one_line(str(problem))}") from problem
        except (httpx.TransportError, httpx.StreamError) as problem:
            raise Again("the connection broke") from problem
        except httpx.InvalidURL as problem:
            raise Refused("the address is none") from problem

    def _beginning(self, answer: Any) -> str:
        """Return the beginning of an answer; what was taken stays so if the rest does not come."""
        data, until = b"", time.monotonic() + ANSWER
        with suppress(self._httpx.HTTPError, self._httpx.StreamError):
            for part in answer.iter_raw():
                data += part
                if len(data) >= _READ or time.monotonic() > until:
                    break
        return data[:_READ].decode("utf-8", "replace")

    def _check(self, answer: Any) -> None:
        code = int(answer.status_code)
        if answer.is_success:
            return
        reason = f"the answer is {code}{_named(code)}"
        if code >= 500 or code in _RETRIED or self._patient:
            raise Again(reason, _after(answer.headers.get("retry-after", "")), code)
        raise Refused(reason)


def _client_library() -> Any:
    with extra("sinks", "Sending captions over HTTP"):
        import httpx
    for name in ("httpx", "httpcore"):  # they log whole addresses
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx


def _named(code: int) -> str:
    with suppress(ValueError):
        return f" {HTTPStatus(code).phrase}"
    return ""


def _after(value: str) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for, which are a number or a date."""
    if value.strip().isdecimal():
        return float(value)
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None
