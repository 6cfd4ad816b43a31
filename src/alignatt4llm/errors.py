"""What users are told: problems that they can act on, and what is being done when it takes long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[str], None]
"""Is told what is being done, when that takes long."""


def silent(message: str) -> None:
    """Tell nobody."""


class AlignattError(Exception):
    """A problem told to the user as one clear sentence, never as a traceback.

    The message says what is wrong and what to do about it.
    """

    exit_code = 1


class UsageError(AlignattError):
    """The request itself cannot be carried out: an unknown language, a bad option."""

    exit_code = 2


class PromptTooLong(AlignattError):
    """Prompt and draft budget together exceed the model's context."""


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
            f"{purpose} needs {package}, which is not installed; "
            f"pip install 'alignatt4llm[{name}]'."
        ) from problem
