"""What lets a client go on with its session: a key, of which only the digest is kept."""

import hashlib
import hmac
from typing import Any

from alignatt4llm.serve.errors import UnknownSession


def digest(key: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def check_key(header: dict[str, Any], key: str) -> None:
    """Raise UnknownSession unless a key is that of the session that begins so."""
    if not hmac.compare_digest(header["key_sha256"], digest(key)):
        raise UnknownSession("There is no such session here, or no longer.")
