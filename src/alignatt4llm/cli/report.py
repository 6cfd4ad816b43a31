"""What commands say while they work."""

import sys


def tell(message: str) -> None:
    """Say how far the work is, on standard error."""
    print(message, file=sys.stderr, flush=True)
