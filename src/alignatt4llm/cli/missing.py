"""What to say when packages of an extra are missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from alignatt4llm.errors import AlignattError


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Turn a failed import into a sentence that names what to install."""
    try:
        yield
    except ImportError as problem:
        raise AlignattError(
            f"The package {problem.name} is not installed; pip install 'alignatt4llm[{name}]'."
        ) from problem
