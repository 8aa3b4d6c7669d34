"""From one sample rate to another: whole recordings, and streams chunk by chunk with the same result."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

QUALITY = "HQ"


def resample(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Mono float32 at `to_hz`; the same samples where the rates are equal."""
    if from_hz == to_hz or not len(samples):
        return samples
    return np.asarray(soxr.resample(samples, from_hz, to_hz, quality=QUALITY), dtype=np.float32)


class StreamResampler:
    """Resamples a stream of mono float32 chunks; its output joined equals `resample` of the input joined.

    The filter looks ahead, so output lags input: the last chunk must be given with `last=True`.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = None
        if from_hz != to_hz:
            self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=QUALITY)

    def push(self, samples: NDArray[np.float32], last: bool = False) -> NDArray[np.float32]:
        """Whatever output this chunk completes: empty for some chunks."""
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples, last=last), dtype=np.float32)
