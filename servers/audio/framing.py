"""Audio of any chunking in frames of one length: 20 ms at 48 kHz, 960 samples, 1,920 bytes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FRAME_RATE_HZ = 48_000
FRAME_MS = 20
FRAME_SAMPLES = FRAME_RATE_HZ * FRAME_MS // 1000
FRAME_BYTES = 2 * FRAME_SAMPLES


class LastFrame(NamedTuple):
    """A frame of which the last `padding` samples are silence that was put there."""

    pcm: bytes
    padding: int


class Framer:
    """Takes mono int16 at FRAME_RATE_HZ, any number of samples at a time; gives frames of FRAME_BYTES bytes,
    little-endian: the same ones however the samples came.
    """

    def __init__(self) -> None:
        self._waiting = b""

    def push(self, samples: NDArray[np.int16]) -> list[bytes]:
        """The frames that these samples complete. Raises TypeError for samples of another type."""
        came = self._waiting + np.asarray(samples).astype("<i2", casting="equiv").tobytes()
        whole = len(came) // FRAME_BYTES * FRAME_BYTES
        self._waiting = came[whole:]
        return [came[start : start + FRAME_BYTES] for start in range(0, whole, FRAME_BYTES)]

    def finish(self) -> LastFrame | None:
        """What waits, padded with silence; None where nothing does. The next samples begin a stream anew."""
        waiting, self._waiting = self._waiting, b""
        if not waiting:
            return None
        return LastFrame(waiting.ljust(FRAME_BYTES, b"\0"), (FRAME_BYTES - len(waiting)) // 2)
