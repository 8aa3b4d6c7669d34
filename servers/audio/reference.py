"""Reference audio: the clip that a voice is cloned from, and what it has to be."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from servers.audio.files import probe, read
from servers.errors import InvalidRequest

SHORTEST_S, LONGEST_S = 1.0, 60.0
SILENCE_RMS = 10 ** (-60 / 20)
"""−60 dBFS: a clip that is quieter all through has no voice in it."""


def clip_length_s(clip: BinaryIO, param: str) -> float:
    """By its header, the clip being left where it was.

    Raises UnsupportedAudio, AudioTooLong or InvalidRequest, saying what is possible and naming `param`.
    """
    duration_s = probe(clip, longest_s=LONGEST_S, param=param).duration_s
    if duration_s < SHORTEST_S:
        message = f"the reference lasts {duration_s:.2f} s; at least {SHORTEST_S:g} s are needed"
        raise InvalidRequest(message, param=param)
    return duration_s


def clip_samples(clip: BinaryIO, sample_rate: int, param: str) -> NDArray[np.float32]:
    """Mono, in −1…1. Raises as `clip_length_s` does, and InvalidRequest for silence."""
    samples, _ = read(clip, sample_rate, longest_s=LONGEST_S, param=param)
    samples = np.clip(samples, -1, 1)
    if float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) < SILENCE_RMS:
        raise InvalidRequest("the reference is silent: there is no voice in it to clone", param=param)
    return samples
