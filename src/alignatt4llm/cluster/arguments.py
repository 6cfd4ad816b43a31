"""The ``args`` of a Serve config file: of which kind each is, and where files are."""

from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from alignatt4llm.errors import UsageError
from alignatt4llm.heads.headset import HeadSet

_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_WORDS |= {Path: "a path", HeadSet: "a path", tuple[int, int]: "a number, or bounds such as 2:10"}
_WORDS |= {tuple[str, ...]: "a list of texts", NoneType: "null"}


def check_kinds(arguments: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    """Raise UsageError if an argument is not of the type that it becomes, as YAML writes it."""
    for name, value in arguments.items():
        if not _fits(value, hints[name]):
            raise UsageError(
                f"An argument is of the wrong kind: '{name}' is {value!r}; it must be "
                f"{_said(hints[name])}."
            )


def whole_path(name: str, value: str) -> Path:
    """Return a path that means the same in every replica; UsageError if it does not."""
    path = Path(value).expanduser()
    if not path.is_absolute():
        raise UsageError(
            f"'{name}' is '{value}'; write the whole path, since replicas run in other folders."
        )
    return path


def _fits(value: object, hint: Any) -> bool:
    kind = get_origin(hint)
    if kind in (Union, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if kind is Literal:
        return value in get_args(hint)
    if hint == tuple[str, ...]:
        return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
    alike = {float: (int, float), tuple[int, int]: (int, str), Path: (str,), HeadSet: (str,)}
    return type(value) in alike.get(hint, (hint,))


def _said(hint: Any) -> str:
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_said, get_args(hint))))
    return _WORDS.get(hint) or f"one of {', '.join(get_args(hint))}"
