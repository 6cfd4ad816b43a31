"""How many connections a process may have."""

from contextlib import suppress


def raise_limit() -> None:
    """Let the process have as many connections as its user may; each listener takes one."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
