"""Pages of other sites: which of them may use the server, and what their browsers are told."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from alignatt4llm.errors import UsageError

ANY = "*"
"""Every site; ``null`` is what browsers call pages that are no site's, such as files."""
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_EXPOSED = ("Content-Disposition", "Retry-After", "WWW-Authenticate", "X-Request-Id", "X-Warnings")
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
"""A name or an address; browsers send no origin with other signs, so patterns would never fit."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+/?", re.IGNORECASE)


def origin_of(address: str) -> str:
    """Return an origin as browsers write it: lower case, without the usual port, no final slash.

    Raises
    ------
    ValueError
        If it is none: no scheme, no host, a pattern, a path, or a port that cannot be.
    """
    if address in (ANY, "null"):
        return address
    if not _ORIGIN.fullmatch(address):
        raise ValueError(address)
    parts = urlsplit(address)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").encode("idna").decode()
    if not _HOST.fullmatch(host):
        raise ValueError(address)
    name = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _PORTS.get(scheme)) else f":{parts.port}"
    return f"{scheme}://{name}{port}"


class Origins:
    """The sites whose pages may use the server besides its own.

    Parameters
    ----------
    addresses
        Origins such as ``https://example.org``; ``*`` for every site, ``null`` for pages that are
        no site's.
    guarded
        Whether clients must show a token; only then may everybody's pages be let in.

    Raises
    ------
    UsageError
        If one of them is no origin, or lets everybody in who has no token to show.
    """

    def __init__(self, addresses: Iterable[str] = (), guarded: bool = False) -> None:
        self.known = frozenset(map(_checked, addresses))
        if not guarded and self.known & {ANY, "null"}:
            raise UsageError(
                "Any page in a browser on this machine could use the server with --origin * or "
                "null; set ALIGNATT_TOKEN to a long random text, or name the sites."
            )

    def allow(self, origin: str) -> bool:
        """Whether pages of this origin may use the server."""
        if ANY in self.known:
            return True
        try:
            return origin_of(origin) in self.known
        except ValueError:
            return False

    def own(self, origin: str, host: str) -> bool:
        """Whether an origin is the server's own, which a request calls ``host``."""
        scheme = origin.partition("://")[0]
        try:
            return origin_of(origin) == origin_of(f"{scheme}://{host}")
        except ValueError:
            return False

    def names(self, host: str) -> bool:
        """Whether a host is that of one of the sites."""
        return any(self.own(origin, host) for origin in self.known)


class CrossOrigin(CORSMiddleware):
    """Answers what browsers ask before a page of another site may send or read something.

    It stands around everything, so that such pages can read errors and refusals too.
    """

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        super().__init__(
            app,
            allow_origins=[*origins.known],
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=ANY not in origins.known,
            allow_private_network=True,
            expose_headers=_EXPOSED,
        )
        self._origins = origins

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether pages of an origin may read answers."""
        return self._origins.allow(origin)


def _checked(address: str) -> str:
    try:
        return origin_of(address.strip())
    except ValueError:
        raise UsageError(
            f"'{address}' is no origin; write scheme, host and port only, as in "
            "--origin https://their.site or http://localhost:3000."
        ) from None
