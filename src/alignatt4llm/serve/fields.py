"""JSON from strangers, read key by key; whatever is wrong is one clear sentence."""

import json
import math
from collections.abc import Iterable
from typing import Any

from alignatt4llm.serve.errors import BadMessage


class Fields:
    """One JSON object.

    Every method takes a key and returns its value, or the default when the key is missing or
    null; without a default the key is needed.

    Raises
    ------
    BadMessage
        If the value is not of the right type or beyond its bounds.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    @classmethod
    def parse(cls, text: str) -> "Fields":
        """Read a JSON object."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as problem:
            raise BadMessage("This message is not JSON; send one JSON object.") from problem
        if not isinstance(values, dict):
            raise BadMessage("This message is not a JSON object; send one, with a 'type'.")
        return cls(values)

    def only(self, allowed: Iterable[str]) -> None:
        """Refuse keys that are not allowed."""
        allowed = sorted(allowed)
        unknown = sorted(self._values.keys() - set(allowed))
        if unknown:
            raise BadMessage(f"Unknown key '{unknown[0][:40]}'; allowed: {', '.join(allowed)}.")

    def text(self, key: str, default: str | None = None, longest: int = 10_000) -> str:
        """Return a string."""
        value = self._get(key, default)
        if not isinstance(value, str) or len(value) > longest or not _encodable(value):
            raise BadMessage(f"'{key}' must be text of at most {longest} characters.")
        return value

    def texts(self, key: str, default: list[str] | None = None, most: int = 100) -> list[str]:
        """Return a list of strings; one string is a list of one."""
        value = self._get(key, default)
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not 0 < len(texts) <= most:
            raise BadMessage(f"'{key}' must be text, or a list of 1 to {most} texts.")
        return [Fields({key: text}).text(key) for text in texts]

    def choice(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        """Return one of the allowed strings."""
        value, allowed = self._get(key, default), tuple(allowed)
        if value not in allowed:
            raise BadMessage(f"'{key}' must be one of: {', '.join(allowed)}.")
        return str(value)

    def integer(self, key: str, default: int | None = None, most: int = 2**53) -> int:
        """Return a whole number from 0 on."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise BadMessage(f"'{key}' must be a whole number from 0 to {most}.")
        return value

    def number(self, key: str, default: float | None = None, most: float = 1e9) -> float:
        """Return a number from 0 on."""
        return number(self._get(key, default), f"'{key}'", most)

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Return true or false."""
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise BadMessage(f"'{key}' must be true or false.")
        return value

    def items(self, key: str, default: list[Any] | None = None, most: int = 10_000) -> list[Any]:
        """Return a list."""
        value = self._get(key, default)
        if not isinstance(value, list) or len(value) > most:
            raise BadMessage(f"'{key}' must be a list of at most {most} items.")
        return value

    def inner(self, key: str) -> "Fields":
        """Return an object inside this one; an empty one when it is missing."""
        value = self._get(key, {})
        if not isinstance(value, dict):
            raise BadMessage(f"'{key}' must be a JSON object.")
        return Fields(value)

    def entries(self) -> list[tuple[str, Any]]:
        """Return the keys and their unread values."""
        return list(self._values.items())

    def _get(self, key: str, default: Any) -> Any:
        value = self._values.get(key)
        if value is None and default is None:
            raise BadMessage(f"'{key}' is missing.")
        return default if value is None else value


def number(value: Any, name: str, most: float = 1e9) -> float:
    """Return a finite number from 0 on."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not 0 <= value <= most
    ):
        raise BadMessage(f"{name} must be a number from 0 to {most:g}.")
    return float(value)


def _encodable(text: str) -> bool:
    """Whether text has no half of a surrogate pair, which JSON can say and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
