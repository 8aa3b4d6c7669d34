"""How loud speech is in a recording, and what makes a quiet one as loud as others."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

USUAL_DBFS = -20.0
"""How loud speech is that was recorded with care."""
MOST_GAIN_DB = 40.0
"""What is so quiet that this is not enough is noise, and stays far below full scale."""
FRAME_S, LOUDEST_S = 0.03, 1.0


def level_dbfs(blocks: Iterable[NDArray[np.float32]], sample_rate: int) -> float:
    """The level that the loudest second stays above; −inf for silence, and for less than 30 ms.

    The RMS of each 30 ms is taken, and of these the last one that belongs to the loudest second (in a shorter
    recording, to the louder half): pauses of any length do not count, nor does a click. What is left over at
    the end of a block is not looked at.
    """
    frame = round(FRAME_S * sample_rate)
    energies = np.concatenate([np.zeros(0), *(_energies(block, frame) for block in blocks)])
    if not len(energies):
        return -math.inf
    loudest = min(round(LOUDEST_S / FRAME_S), -(-len(energies) // 2))
    energy = float(np.partition(energies, -loudest)[-loudest])
    return 10 * math.log10(energy) if energy > 0 else -math.inf


def _energies(block: NDArray[np.float32], frame: int) -> NDArray[np.float64]:
    """The mean square of each whole frame."""
    frames = block[: len(block) // frame * frame].reshape(-1, frame)
    return np.asarray(np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / frame)


def usual_gain(dbfs: float) -> np.float32:
    """The factor for a recording of that level: up to USUAL_DBFS, MOST_GAIN_DB at most, and never below 1."""
    gain_db = min(max(USUAL_DBFS - dbfs, 0.0), MOST_GAIN_DB)
    return np.float32(10 ** (gain_db / 20))
