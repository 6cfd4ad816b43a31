"""One way of writing a language: collections mix simplified and traditional characters."""

from collections.abc import Callable

from alignatt4llm.errors import extra
from alignatt4llm.text.languages import Language

_CONVERSIONS = {"zh": "t2s"}
"""OpenCC's name for the way to what is taught, by language."""


def writing(language: Language) -> Callable[[str], str]:
    """Return what brings text into the characters in which a language is taught.

    Raises
    ------
    AlignattError
        If the language needs OpenCC, and it is not installed.
    """
    name = _CONVERSIONS.get(language.code)
    if name is None:
        return str
    with extra("adapt", "Teaching Chinese"):
        from opencc import OpenCC
    convert: Callable[[str], str] = OpenCC(name).convert
    return convert
