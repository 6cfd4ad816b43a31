"""Where journals can be kept."""

from pathlib import Path

from alignatt4llm.errors import UsageError, extra
from alignatt4llm.serve.journals.base import Store
from alignatt4llm.serve.journals.folder import FolderStore

_SCHEMES = "redis", "rediss"


def is_address(place: str | Path) -> bool:
    """Whether a place is an address and no folder."""
    return "://" in str(place) and not isinstance(place, Path)


def store_at(place: str | Path, keep: float) -> Store:
    """Return the store at a place; nothing is read or written yet.

    Parameters
    ----------
    place
        A folder, or the address of a Redis database.
    keep
        Seconds for which a journal stays after its last change.

    Raises
    ------
    UsageError
        If it is neither.
    AlignattError
        If the package that it needs is not installed.
    """
    if not is_address(place):
        return FolderStore(Path(place), keep)
    scheme = str(place).partition("://")[0].lower()
    if scheme not in _SCHEMES:
        raise UsageError(
            f"Transcripts cannot be kept at '{scheme}://…'; give a folder, redis://host:port/0 or "
            "rediss://host:port/0."
        )
    with extra("cluster", "Keeping transcripts in Redis"):
        from alignatt4llm.serve.journals.redis import RedisStore
    return RedisStore(str(place), keep)
