"""Text without the characters that steer what it is written to."""

import re

_STEERING = {
    code: " " if chr(code).isspace() else None
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000))
}


def printable(text: str) -> str:
    """Return text in which line breaks and tabs are spaces and other control characters are gone.

    Nothing in it moves a cursor, begins an escape sequence or ends a line; lone surrogates, which
    no file can hold, are gone too.
    """
    return text.translate(_STEERING)


def one_line(text: str) -> str:
    """Return printable text with single spaces inside and none around it."""
    return re.sub(" {2,}", " ", printable(text)).strip(" ")
