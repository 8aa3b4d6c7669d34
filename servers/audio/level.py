"""How loud speech is in a recording, and a quiet recording made as loud as others."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

USUAL_DBFS = -20.0
"""How loud speech is that was recorded with care."""
MOST_GAIN_DB = 40.0
"""What is so quiet that this is not enough is noise, and stays far below full scale."""
FRAME_S, LOUDEST_S = 0.03, 1.0


def level_dbfs(samples: NDArray[np.float32], sample_rate: int) -> float:
    """The level that the loudest second stays above; −inf for silence, and for less than 30 ms.

    The RMS of each 30 ms is taken, and of these the last one that belongs to the loudest second (in a shorter
    recording, to the louder half): pauses of any length do not count, nor does a click.
    """
    frame = round(FRAME_S * sample_rate)
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    if not len(frames):
        return -math.inf
    energies = np.einsum("ij,ij->i", frames, frames) / frame
    loudest = min(round(LOUDEST_S / FRAME_S), -(-len(energies) // 2))
    energy = float(np.partition(energies, -loudest)[-loudest])
    return 10 * math.log10(energy) if energy > 0 else -math.inf


def as_loud_as_usual(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """A quiet recording amplified to USUAL_DBFS, by MOST_GAIN_DB at most; a loud one is left as it is."""
    gain_db = min(USUAL_DBFS - level_dbfs(samples, sample_rate), MOST_GAIN_DB)
    if gain_db <= 0:
        return samples
    louder: NDArray[np.float32] = samples * np.float32(10 ** (gain_db / 20))
    return louder
