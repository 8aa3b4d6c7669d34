"""Several channels to one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mix_down(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the channels of a block, shape (frames, channels) and finite, as a new array (frames,)."""
    mean: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
    return mean
