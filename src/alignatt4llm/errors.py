"""What users are told: problems that they can act on, and what is being done when it takes long."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from subprocess import list2cmdline
from typing import Self

Tell = Callable[[str], None]
"""Is told what is being done, when that takes long."""


class Advance(str):
    """A message about long work, with the share of it that is done."""

    share: float

    def __new__(cls, message: str, share: float) -> Self:
        """Return the message."""
        made = super().__new__(cls, message)
        made.share = share
        return made


def silent(message: str) -> None:
    """Tell nobody."""


class AlignattError(Exception):
    """A problem told to the user as one clear sentence, never as a traceback.

    The message says what is wrong and what to do about it.

    Examples
    --------
    >>> try:
    ...     interpreter.open("en-xx")
    ... except AlignattError as problem:
    ...     print(problem)
    """

    exit_code = 1


class UsageError(AlignattError):
    """The request itself cannot be carried out: an unknown language, a bad option."""

    exit_code = 2


class PromptTooLong(AlignattError):
    """Prompt and draft budget together exceed the model's context."""


def with_extra(name: str) -> str:
    """Return this package with an extra, or with several after commas, as pip names it."""
    return f"alignatt4llm[{name}]"


def installer(*arguments: str) -> list[str]:
    """Return the command that installs packages beside this program, word by word.

    It is pipx's where pipx made the environment, else pip's, and uv's where there is no pip.
    """
    place = Path(sys.prefix)
    if (place / "pipx_metadata.json").exists():
        return ["pipx", "runpip", place.name, "install", *arguments]
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", *arguments]
    return ["uv", "pip", "install", "--python", sys.executable, *arguments]


def install(*arguments: str) -> str:
    """Return that command as it is typed here: short where ``pip`` means the pip beside us."""
    words = installer(*arguments)
    pip = which("pip")
    if words[0] == sys.executable and pip and Path(pip).parent == Path(sys.executable).parent:
        words = ["pip", "install", *arguments]
    return list2cmdline(words) if os.name == "nt" else shlex.join(words)


@contextmanager
def extra(name: str, purpose: str = "This") -> Iterator[None]:
    """Turn a failed import into a sentence that names what to install.

    Parameters
    ----------
    name
        The extra, or extras, of this package that would install it.
    purpose
        What needs the package.

    Raises
    ------
    AlignattError
        If a package cannot be imported inside the block.
    """
    try:
        yield
    except ImportError as problem:
        package = f"the package {problem.name.partition('.')[0]}" if problem.name else "a package"
        raise AlignattError(
            f"{purpose} needs {package}, which is not installed; {install(with_extra(name))}."
        ) from problem
