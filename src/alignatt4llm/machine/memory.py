"""How much memory is free."""


def free_bytes() -> int:
    """Return the memory that can be had without swapping, in bytes."""
    import psutil

    return int(psutil.virtual_memory().available)


def gigabytes(count: float) -> str:
    """Return a number of bytes in words."""
    return f"{count / 1e9:.1f} GB"
