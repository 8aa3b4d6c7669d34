"""Sample formats: float32 in −1…1 and int16, and the noise that stands in for digital silence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from servers.speech import Samples

FULL_SCALE = 32768
"""int16 counts for 1.0: both conversions use it, so int16 → float32 → int16 gives the same samples."""


def to_float32(samples: Samples) -> NDArray[np.float32]:
    """The samples in −1…1; float32 comes back unchanged."""
    if samples.dtype == np.float32:
        return samples.astype(np.float32, copy=False)
    return samples.astype(np.float32) / np.float32(FULL_SCALE)


def to_int16(samples: Samples) -> NDArray[np.int16]:
    """The samples at full scale, rounded, and clipped where they are louder; int16 comes back unchanged."""
    if samples.dtype == np.int16:
        return samples.astype(np.int16, copy=False)
    scaled = np.rint(samples * np.float32(FULL_SCALE))
    return np.asarray(np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1), dtype=np.int16)


class NoiseFloor:
    """White noise of `dbfs` (RMS against full scale) that is put under a stream: the same noise every time.

    Recognisers that normalise by energy fail on digital silence, which no microphone ever gave them.
    """

    def __init__(self, dbfs: float = -55.0) -> None:
        self._dice = np.random.default_rng(0)
        self._rms = np.float32(10 ** (dbfs / 20))

    def under(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples of the stream with the noise added: the same in pieces as in one go."""
        noise = self._dice.standard_normal(len(samples), dtype=np.float32)
        floor: NDArray[np.float32] = samples + noise * self._rms
        return floor
