"""How much fits on a machine of a cluster: a process is on one, however many there are."""

import math
from collections.abc import Mapping

ROUNDING = 1e-6
"""What sums of shares may be off by."""


def fitting(machine: Mapping[str, float], needs: Mapping[str, float]) -> float:
    """Return how many processes fit on a machine at most; infinitely many that need nothing.

    Parameters
    ----------
    machine
        What it has, by Ray's names.
    needs
        What a process needs, likewise.
    """
    fit = (machine.get(name, 0) / need for name, need in needs.items() if need)
    return min((math.floor(each + ROUNDING) for each in fit), default=math.inf)
