"""Text without the characters that steer what it is written to."""

import json
import re
from typing import Any

_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Embeddings, overrides and isolates: one left open turns what follows it around."""
_STEERING = {
    code: " " if chr(code).isspace() else None
    for code in (
        *range(0x20),
        *range(0x7F, 0xA0),
        0x2028,
        0x2029,
        *_BIDI,
        *range(0xD800, 0xE000),
        0xFFFE,
        0xFFFF,
    )
}
_BREAKING = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def printable(text: str) -> str:
    """Return text in which line breaks and tabs are spaces and other control characters are gone.

    Nothing in it moves a cursor, begins an escape sequence, ends a line or turns the direction of
    what follows; lone surrogates and what is no character, which files cannot hold, are gone too.
    """
    return text.translate(_STEERING)


def one_line(text: str) -> str:
    """Return printable text with single spaces inside and none around it."""
    return re.sub(" {2,}", " ", printable(text)).strip(" ")


def json_line(value: Any) -> str:
    """Return JSON on one line, whatever a reader takes for the end of a line."""
    text = json.dumps(value, ensure_ascii=False)
    return _BREAKING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
