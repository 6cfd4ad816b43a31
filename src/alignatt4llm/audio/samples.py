"""Samples, and the one clock that counts them."""

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples per second of the one clock; every time in the package derives from it."""

Samples = NDArray[np.float32]
"""Mono audio at 16 kHz in [-1, 1], shape [n]."""
